//! Uploads by curl, in all ways of a body in HTTP/1.1.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use token_gateway_testkit::eventually;
use tokio::process::Command;
use tokio::time::timeout;

use super::edge::Header;
use super::upstream::Body;

const LIMIT: Duration = Duration::from_secs(60);

/// A way to send a body.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Length,
    Chunked,
    /// Waits for `100 Continue` before the body.
    Expect,
}

pub const WAYS: [Way; 3] = [Way::Length, Way::Chunked, Way::Expect];

/// A file of random bytes.
pub struct Upload {
    file: NamedTempFile,
    pub body: Body,
}

impl Upload {
    pub fn of(size: usize) -> Self {
        let mut bytes = vec![0; size];
        fastrand::fill(&mut bytes);
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("it can be written");
        Self { file, body: Body::of(&bytes) }
    }

    /// Repeats it while the answer is 503, which says nothing: a busy machine may be late with a verdict.
    pub async fn decided(&self, url: &str, method: &str, way: Way, headers: &[Header]) -> (u16, String) {
        eventually("a verdict on an upload", LIMIT, async || {
            let answer = self.send(url, method, way, headers).await;
            (answer.0 != 503).then_some(answer)
        })
        .await
    }

    /// Sends it, and returns status and body of the answer.
    pub async fn send(&self, url: &str, method: &str, way: Way, headers: &[Header]) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]);
        curl.args([
            "--request",
            method,
            "--header",
            way.header(),
            "--header",
            "Content-Type: application/x-file",
        ]);
        curl.args(
            headers.iter().flat_map(|(name, value)| ["--header".to_owned(), format!("{name}: {value}")]),
        );
        curl.arg("--data-binary").arg(format!("@{}", self.file.path().display())).arg(url);
        let output = timeout(LIMIT, curl.stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output = output.expect("it ends").expect("curl is installed; scripts/test installs it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status");
        assert!(output.status.success(), "{curl:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        (status.parse().expect("a number"), body.to_owned())
    }
}

impl Way {
    /// curl goes by it. Without a value it takes `Expect` away.
    fn header(self) -> &'static str {
        match self {
            Self::Length => "Expect:",
            Self::Chunked => "Transfer-Encoding: chunked",
            Self::Expect => "Expect: 100-continue",
        }
    }
}
