//! The state of a loop that tries on: whether its last try failed, and how. The loop logs one line per change.

/// Whether the last try of a loop failed, and how.
///
/// ```
/// use token_gateway_core::loop_state::LoopState;
///
/// let mut state = LoopState::default();
/// assert!(state.fails("unreachable"), "a line for the log");
/// assert!(!state.fails("unreachable"), "the same again");
/// assert!(state.fails("refused"), "another kind of failure");
/// assert!(state.works() && !state.works(), "one line when it works again");
/// ```
#[derive(Debug, Default)]
pub struct LoopState {
    /// The kind of the present failure.
    failure: Option<String>,
}

impl LoopState {
    /// A try has failed. Returns whether that is a change.
    pub fn fails(&mut self, kind: &str) -> bool {
        let changes = self.failure.as_deref() != Some(kind);
        if changes {
            self.failure = Some(kind.to_owned());
        }
        changes
    }

    /// A try has succeeded. Returns whether that is a change.
    pub fn works(&mut self) -> bool {
        self.failure.take().is_some()
    }
}
