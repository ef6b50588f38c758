//! The pages for newcomers, followed: README, `docs/start` and `docs/guides`. Each block for a shell or a browser is run
//! as printed, with the reader's own values in place of the page's.

mod blocks;
mod browser;
mod calls;
mod nodes;
