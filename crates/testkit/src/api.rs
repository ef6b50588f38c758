//! An HTTP client for one gateway, in the words of the API.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::service_key::WEB;

#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// The tokens of a 200 or 201.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

impl Api {
    pub fn new(address: &str) -> Self {
        Self::of(address, Client::builder())
    }

    /// A client at this loopback address.
    pub fn coming_from(address: &str, source: IpAddr) -> Self {
        Self::of(address, Client::builder().local_address(source))
    }

    fn of(address: &str, client: ClientBuilder) -> Self {
        let client = client.timeout(Duration::from_secs(20)).no_proxy().build();
        Self { client: client.expect("a client"), base: format!("http://{address}") }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A request with the key of the service `web`.
    pub fn service(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(WEB.key)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the gateway answers")
    }

    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    pub async fn issue(&self, body: &Value) -> Answer {
        self.send(self.service(Method::POST, "/v1/sessions").json(body)).await
    }

    pub async fn login(&self, sub: &str) -> Tokens {
        let body = json!({ "sub": sub });
        decided(|| self.issue(&body)).await.tokens()
    }

    /// A refresh as a good client sends it: with a fresh `Idempotency-Key`.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.refresh_as(token, &fresh_key()).await
    }

    pub async fn refresh_as(&self, token: &str, key: &str) -> Answer {
        self.send(self.refresh_request(token).header("Idempotency-Key", key)).await
    }

    /// Presents a token until the answer is a decision: a 503 says nothing and asks to be repeated.
    pub async fn refresh_until_decided(&self, token: &str) -> Answer {
        let key = fresh_key();
        decided(|| self.refresh_as(token, &key)).await
    }

    /// Presents a rotated token until it is refused. On a busy machine the node asks first for a repetition: the call may
    /// have been sent before the rotation.
    pub async fn reuse(&self, token: &str) {
        decided(|| self.refresh(token)).await.expect_error(400, "invalid_grant");
    }

    pub fn refresh_request(&self, token: &str) -> RequestBuilder {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.form("/oauth/token", &form)
    }

    pub fn form(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.raw_form(path, body)
    }

    pub fn raw_form(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.request(Method::POST, path).body(body);
        request.header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub async fn revoke(&self, token: &str) -> Answer {
        self.send(self.form("/oauth/revoke", &[("token", token)])).await
    }

    /// The user's own view, by access token.
    pub async fn me(&self, method: Method, path: &str, access: &str) -> Answer {
        self.send(self.request(method, &format!("/v1/me/sessions{path}")).bearer_auth(access)).await
    }

    /// Support staff's view of a user.
    pub async fn user(&self, method: Method, sub: &str, path: &str) -> Answer {
        self.send(self.service(method, &format!("/v1/users/{sub}/sessions{path}"))).await
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header"))
    }

    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert!(self.status.is_success(), "{self:?}");
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}")).to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token"), session: text("session_id") }
    }

    /// Demands an error, in our one form.
    #[track_caller]
    pub fn expect_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.json()["error"].as_str()), (status, Some(error)), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let description = self.json()["error_description"].as_str().expect("a description").to_owned();
        let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(!description.is_empty() && description.bytes().all(allowed), "{description}");
        assert_eq!(self.header("retry-after").is_some(), status == 503, "{self:?}");
    }

    /// The ids in `{"ended": […]}`, sorted.
    #[track_caller]
    pub fn ended(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let ids = json["ended"].as_array().unwrap_or_else(|| panic!("no list: {json}"));
        let mut ids: Vec<_> = ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect();
        ids.sort();
        ids
    }

    /// The ids in `{"sessions": […]}`, in their order.
    #[track_caller]
    pub fn sessions(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let items = json["sessions"].as_array().unwrap_or_else(|| panic!("no list: {json}"));
        items.iter().map(|item| item["session_id"].as_str().expect("an id").to_owned()).collect()
    }
}

/// Repeats a request while the answer is 503; any other answer is a decision.
pub async fn decided<A: Future<Output = Answer>>(mut ask: impl FnMut() -> A) -> Answer {
    for _ in 0..3000 {
        let answer = ask().await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("503 for half a minute");
}

/// An `Idempotency-Key` without earlier use.
pub fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("idempotency-key-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The refresh tokens that these answers gave.
pub fn successors(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.tokens().refresh).collect()
}

/// Header and claims of a JWT, unchecked.
pub fn read(token: &str) -> (Value, Value) {
    let part = |n: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).expect("a part")).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (part(0), part(1))
}

pub fn claims(token: &str) -> Value {
    read(token).1
}
