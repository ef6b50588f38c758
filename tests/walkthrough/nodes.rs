//! The guides with nginx, followed on this machine, on free ports.

use std::process::{Child, Stdio};
use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::{eventually, free_port};

use super::blocks::{Workplace, blocks};
use crate::GATEWAY;

/// The text with a free port in place of each of these.
fn with_free_ports<const N: usize>(text: &str, ports: [u16; N]) -> (String, [u16; N]) {
    let free = ports.map(|_| free_port());
    let replaced = ports.iter().zip(free).fold(text.to_owned(), |text, (port, free)| {
        text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"))
    });
    (replaced, free)
}

/// A server that ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        token_gateway_testkit::signal("-TERM", self.0.id());
        let _ = self.0.wait();
    }
}

#[test]
fn two_nodes_behind_nginx_are_set_up_as_the_guide_says() {
    let lines = blocks("docs/guides/two-nodes-behind-nginx.md", "sh").concat();
    let (lines, [_, internal, ..]) = with_free_ports(&lines, [8080, 8081, 8091, 8092]);
    let redis_port = free_port();
    let ready = format!(
        "for try in $(seq 100); do curl -sSf -o /dev/null http://127.0.0.1:{internal}/readyz && break; sleep 0.1; done\n"
    );
    // A reader copies the key, sets REDIS_URL, reads the findings, and takes longer than a node to start.
    let lines = lines
        .replace("--port 6379", &format!("--port {redis_port}"))
        .replace("token-gateway init\n", "KEY=$(token-gateway init | sed -n 's/.*shown this once: //p')\n")
        .replace("set -a; . ./.env", &format!("sed -i 's/:6379/:{redis_port}/' .env; set -a; . ./.env"))
        .replace("token-gateway check\n", "token-gateway check || true\n")
        .replace("LOGIN=$(", &format!("{ready}LOGIN=$("));
    let workplace = Workplace::new();
    let tidy = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n";
    let output = workplace.bash(&(tidy.to_owned() + &lines)).output().expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("\"refresh_token\":\""), "{lines}\n{output:?}");
}

#[tokio::test]
async fn nginx_asks_before_it_hands_on_as_the_guide_says() {
    let gateway = GATEWAY.embedded();
    let block = blocks("docs/guides/ask-a-proxy-to-check.md", "sh");
    let block = block.iter().find(|block| block.contains("nginx -p")).expect("the block");
    let block = block.replace("127.0.0.1:8080", gateway.address());
    let (block, [listen, _]) = with_free_ports(&block, [8000, 3000]);
    // nginx takes the place of bash, so a signal ends it.
    let block = block.replace("nginx -p", "exec nginx -p");
    let workplace = Workplace::new();
    let _nginx = Server(workplace.bash(&block).stdout(Stdio::null()).spawn().expect("bash is installed"));
    let edge = token_gateway_testkit::api::Api::new(&format!("127.0.0.1:{listen}"));
    let tokens = gateway.api().login("alice").await;
    let status = async |token: &str| {
        let request = edge.request(Method::GET, "/").bearer_auth(token);
        Some(edge.try_send(request).await.ok()?.status.as_u16())
    };
    eventually("nginx asks", Duration::from_secs(10), async || (status("x").await? == 401).then_some(()))
        .await;
    // Nobody plays the API.
    assert_eq!(status(&tokens.access).await, Some(502));
}
