//! A node on the embedded store, whose log is read only when the test says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::{free_port, signal, wait_for};

use crate::GATEWAY;

const REQUEST: &str = "GET /nobody HTTP/1.1\r\nHost: node\r\n\r\n";

pub struct Node {
    child: Child,
    address: String,
    admin: String,
    unread: Option<BufReader<ChildStderr>>,
    read: Arc<Mutex<String>>,
    hurry: Arc<AtomicBool>,
}

impl Node {
    /// Its log is read up to the line of its last address.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let mut node = Self::run(settings, Stdio::piped());
        let mut log = BufReader::new(node.child.stderr.take().expect("a pipe"));
        let mut text = String::new();
        while !text.contains("admin listening on") {
            assert!(log.read_line(&mut text).expect("text") > 0, "{text}");
        }
        node.unread = Some(log);
        node
    }

    pub fn start_onto(log: Stdio) -> Self {
        Self::run(&[], log)
    }

    fn run(settings: &[(&str, &str)], log: Stdio) -> Self {
        let [address, admin] = [0; 2].map(|_| format!("127.0.0.1:{}", free_port()));
        let own = [("STORE", "embedded"), ("BIND_ADDR", &address), ("ADMIN_ADDR", &admin)];
        let child = GATEWAY.command("serve", &[&own, settings].concat()).stderr(log).spawn();
        let child = child.expect("it starts");
        let (read, hurry) = Default::default();
        let node = Self { child, address, admin, unread: None, read, hurry };
        wait_for("the node listens", Duration::from_secs(10), || TcpStream::connect(&node.address).ok());
        node
    }

    pub fn api(&self) -> Api {
        Api::new(&self.address)
    }

    pub async fn is_alive(&self) {
        let api = self.api();
        assert_eq!(api.send(api.request(Method::GET, "/livez")).await.text, "alive");
    }

    /// The number of dropped lines, by the metric.
    pub async fn dropped(&self) -> u64 {
        let admin = Api::new(&self.admin);
        let text = admin.send(admin.request(Method::GET, "/metrics")).await.text;
        let mut lines = text.lines();
        let number = lines.find_map(|line| line.strip_prefix("token_gateway_log_lines_dropped_total "));
        number.unwrap_or_else(|| panic!("no such metric in {text}")).parse().expect("a number")
    }

    /// So many requests, each with a line in the log, over one connection.
    pub fn flood(&self, requests: usize) {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let mut sender = stream.try_clone().expect("a handle");
        let sending = std::thread::spawn(move || sender.write_all(REQUEST.repeat(requests).as_bytes()));
        let answers = BufReader::new(stream).split(b'\n').map_while(Result::ok);
        let is_answer = |line: &Vec<u8>| line.windows(13).any(|part| part == b"HTTP/1.1 404 ");
        let answers = answers.filter(is_answer).take(requests).count(); // a body ends without a line end
        assert_eq!(answers, requests, "the node stopped answering");
        sending.join().expect("no panic").expect("all is sent");
    }

    /// From now on the log is read.
    pub fn read_on(&mut self) {
        self.hurry.store(true, Ordering::SeqCst);
        self.read_by(Arc::new(|| {}));
    }

    /// From now on the log is read, little by little, until [`read_on`](Self::read_on).
    pub fn read_slowly(&mut self) {
        let hurry = self.hurry.clone();
        self.read_by(Arc::new(move || {
            if !hurry.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
    }

    fn read_by(&mut self, pause: Arc<dyn Fn() + Send + Sync>) {
        let Some(mut log) = self.unread.take() else { return };
        let read = self.read.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = log.read(&mut bytes) {
                read.lock().unwrap().push_str(std::str::from_utf8(&bytes[..length]).expect("ASCII"));
                pause();
            }
        });
    }

    /// Nobody can read the log any more.
    pub fn close_log(&mut self) {
        self.unread = None;
    }

    /// The log, once `is_enough`.
    pub fn log_until(&self, is_enough: impl Fn(&str) -> bool) -> String {
        wait_for("the lines of the log", Duration::from_secs(20), || {
            let log = self.read.lock().unwrap();
            (log.ends_with('\n') && is_enough(&log)).then(|| log.clone())
        })
    }

    pub fn log_with(&self, words: &str) -> String {
        self.log_until(|log| log.contains(words))
    }

    /// Tells it to stop, demands its usual exit code, and returns the time it took.
    pub fn terminate(&mut self) -> Duration {
        let began = Instant::now();
        signal("-TERM", self.child.id());
        let status = wait_for("the node ends", Duration::from_secs(30), || {
            self.child.try_wait().expect("it can be asked")
        });
        assert_eq!(status.code(), Some(0));
        began.elapsed()
    }

    /// The processor time of the process so far.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
