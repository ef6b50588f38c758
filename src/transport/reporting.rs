//! Tells each connection about its requests: the call, the answer, and the end of the answer's body.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_http::{ConnectionType, HttpMessage, Payload, Request, Response};
use actix_service::Service;
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;

use super::connection::Connection;
use super::connections::Connections;
use super::exchange::BodyLength;

/// The largest piece of a body that the dispatcher takes at once.
pub const SLICE: usize = 16 * 1024;

/// The connection of a request, in the dispatcher's connection data.
pub type Reports = (Rc<Connection>, Rc<Connections>);

/// The answer to a request, reported to the request's connection.
pub fn call<S>(mut request: Request, service: &S) -> impl Future<Output = Answered> + use<S>
where
    S: Service<Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let (connection, connections) =
        request.conn_data::<Reports>().cloned().expect("the server has put it there");
    connection.begin(body_length(&mut request), connections.now());
    // After an offered upgrade the dispatcher closes the connection, and would not say so.
    let is_last = request.head().connection_type() == ConnectionType::Upgrade;
    let answer = service.call(request);
    async move {
        let answer: Response<BoxBody> = match answer.await {
            Ok(answer) => answer.into(),
            Err(error) => error.error_response().into(),
        };
        Ok(answer.map_body(|head, body| {
            if is_last || !connection.is_request_whole() {
                head.set_connection_type(ConnectionType::Close); // nobody reads what follows
            }
            connection.answer(body.size() == BodySize::Stream, connections.now());
            AnswerBody { body, rest: Bytes::new(), connection }
        }))
    }
}

type Answered = Result<Response<AnswerBody>, actix_web::Error>;

/// As the dispatcher's decoder decides, which has refused contradictions already.
fn body_length(request: &mut Request) -> BodyLength {
    if matches!(request.payload(), Payload::None) {
        return BodyLength::None;
    }
    let headers = request.headers();
    let is_websocket = |value: &actix_http::header::HeaderValue| {
        value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case("websocket"))
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match length {
        _ if headers.contains_key(TRANSFER_ENCODING) => BodyLength::Chunked,
        _ if headers.get_all(UPGRADE).any(is_websocket) => BodyLength::Endless,
        Some(length) => BodyLength::Sized(length),
        None => BodyLength::Endless,
    }
}

/// A body in slices. Its end is the end of the answer.
pub struct AnswerBody {
    body: BoxBody,
    rest: Bytes,
    connection: Rc<Connection>,
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(self.body.as_pin_mut().poll_next(cx)) {
                Some(Ok(piece)) => self.rest = piece,
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(SLICE);
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.connection.answered();
    }
}
