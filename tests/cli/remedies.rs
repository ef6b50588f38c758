//! Mistaken set-ups, tried as a new user would: the remedy can be named from the message alone.

mod servers;
