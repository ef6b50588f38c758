//! The pages, followed: README, `docs/start`, `docs/guides` and `docs/operate`. Each block for a shell or a browser is run
//! as printed, with the reader's own values in place of the page's. `every_block` names the test of each block on all pages.

mod blocks;
mod browser;
mod calls;
mod commands;
mod every_block;
mod fragments;
mod nodes;
mod operators;
