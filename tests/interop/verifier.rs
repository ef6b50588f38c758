//! A JWT verifier by others, at work: it gets tokens, and answers for each whether it judged rightly.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::foreign::script;

/// A verifier hangs if one token takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The settings of verifiers, and the properties of good tokens.
pub struct Trust<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub algorithms: &'a str,
    pub typ: &'a str,
    /// Only where tokens are HS256.
    pub secret: Option<&'a str>,
}

pub struct Verifier {
    name: String,
    child: Child,
    input: ChildStdin,
    verdicts: Lines<BufReader<ChildStdout>>,
}

impl Verifier {
    pub fn start(name: &str, trust: &Trust<'_>) -> Self {
        let keys = format!("{}/.well-known/jwks.json", trust.issuer);
        let mut env = vec![
            ("JWKS_URI", keys.as_str()),
            ("ISSUER", trust.issuer),
            ("AUDIENCE", trust.audience),
            ("ALGORITHMS", trust.algorithms),
            ("TYP", trust.typ),
        ];
        env.extend(trust.secret.map(|secret| ("SECRET", secret)));
        let mut command = script(name, &env);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("a pipe");
        let verdicts = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { name: name.to_owned(), child, input, verdicts }
    }

    /// Shows the verifier a token to accept, or not to accept.
    pub async fn judge(&mut self, good: bool, token: &str) -> Result<(), String> {
        let line = format!("{} {token}\n", if good { "good" } else { "bad" });
        let asked = async {
            self.input.write_all(line.as_bytes()).await?;
            self.verdicts.next_line().await
        };
        match timeout(LIMIT, asked).await {
            Ok(Ok(Some(verdict))) if verdict == "as expected" => Ok(()),
            Ok(Ok(Some(verdict))) => Err(format!("{}: {verdict}", self.name)),
            Ok(_) => Err(format!("{} has ended; what it says is above", self.name)),
            Err(_) => Err(format!("{}: no verdict within {LIMIT:?}", self.name)),
        }
    }

    /// Nothing more to judge: it must end well.
    pub async fn finish(mut self) {
        drop(self.input);
        let status = timeout(LIMIT, self.child.wait()).await.expect("it ends").expect("it can be asked");
        assert!(status.success(), "{}: {status}", self.name);
    }
}
