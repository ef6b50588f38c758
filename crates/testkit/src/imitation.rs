//! A listener that speaks the protocol of Redis, for answers that no real server here gives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// An imitation of a server, on loopback, for as long as the process of the tests runs.
pub struct Imitation {
    port: u16,
}

impl Imitation {
    /// `answer` gets the first word of each command, in capitals, and gives the bytes of an answer; none ends the
    /// connection.
    pub fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let (port, answer) = (Self::listen(), Arc::new(answer));
        let own = port.1;
        thread::spawn(move || {
            for client in port.0.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || serve(client, &*answer));
            }
        });
        Self { port: own }
    }

    /// A listener that says these bytes to everybody, and hangs up: no Redis at all.
    pub fn saying(bytes: &'static [u8]) -> Self {
        let (listener, port) = Self::listen();
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let _ = client.read(&mut [0; 1024]);
                let _ = client.write_all(bytes);
            }
        });
        Self { port }
    }

    fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        (listener, port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn serve(client: TcpStream, answer: &dyn Fn(&str) -> Option<String>) {
    let Ok(mut answers) = client.try_clone() else { return };
    let mut commands = BufReader::new(client);
    while let Some(command) = next_command(&mut commands) {
        let Some(answer) = answer(&command) else { return };
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The first word of the next command; `None` at the end, and for anything but an array of strings.
fn next_command(commands: &mut impl BufRead) -> Option<String> {
    let count = number_after('*', commands)?;
    let mut first = None;
    for _ in 0..count {
        let mut word = vec![0; number_after('$', commands)? + 2];
        commands.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        first = first.or_else(|| Some(String::from_utf8_lossy(&word).to_uppercase()));
    }
    first
}

fn number_after(sign: char, commands: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    commands.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(sign)?.parse().ok()
}
