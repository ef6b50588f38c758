//! Requests of one subject that take turns, over all workers of a node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use token_gateway_core::session::Subject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The subjects with a request at present, each with a queue. A subject without one has no entry.
#[derive(Default, Clone)]
pub(super) struct Turns(Arc<Mutex<HashMap<Subject, Arc<Semaphore>>>>);

/// A place in the queue of a subject: first waiting, then its turn. One that waits leaves when its client hangs up.
pub(super) struct Turn {
    turns: Turns,
    subject: Subject,
    queue: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits until no other request of the subject is in progress.
    pub async fn wait(&self, subject: &Subject) -> Turn {
        let (queue, mut turn) = self.enter(subject);
        turn.permit = queue.acquire_owned().await.ok(); // nobody closes a queue
        turn
    }

    fn enter(&self, subject: &Subject) -> (Arc<Semaphore>, Turn) {
        let mut queues = self.0.lock().expect("no panic while it is held");
        let queue = queues.entry(subject.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        let (turns, subject) = (self.clone(), subject.clone());
        (queue.clone(), Turn { turns, subject, queue: Some(queue), permit: None })
    }
}

impl Drop for Turn {
    /// Leaves the queue under the lock. Otherwise two that leave at once would each think that the other one stays.
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut queues = self.turns.0.lock().expect("no panic while it is held");
        drop(self.queue.take());
        let is_empty = |queue: &Arc<Semaphore>| Arc::strong_count(queue) == 1;
        if queues.get(&self.subject).is_some_and(is_empty) {
            queues.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(wait: &mut std::pin::Pin<&mut impl Future<Output = Turn>>) -> Option<Turn> {
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn requests_of_one_subject_take_turns_and_those_of_others_do_not_wait() {
        let (turns, alice) = (Turns::default(), "alice".parse().expect("a subject"));
        let bob = "bob".parse().expect("a subject");
        let (mut first, mut second) = (pin!(turns.wait(&alice)), pin!(turns.wait(&alice)));
        let turn = poll(&mut first).expect("nobody else is there");
        assert!(poll(&mut second).is_none());
        assert!(poll(&mut pin!(turns.wait(&bob))).is_some());
        drop(turn);
        assert!(poll(&mut second).is_some());
    }

    #[test]
    fn a_subject_without_a_request_has_no_entry_even_if_clients_hang_up() {
        let (turns, alice) = (Turns::default(), "alice".parse().expect("a subject"));
        let entries = || turns.0.lock().expect("no panic").len();
        {
            let mut first = pin!(turns.wait(&alice));
            let turn = poll(&mut first).expect("nobody else is there");
            let mut second = Box::pin(turns.wait(&alice));
            assert!(poll(&mut second.as_mut()).is_none());
            drop(second); // hangs up while it waits
            assert_eq!(entries(), 1);
            drop(turn);
        }
        assert_eq!(entries(), 0);
    }
}
