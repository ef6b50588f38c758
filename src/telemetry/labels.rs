//! Labels of metrics, from closed sets.

/// A closed set of label values, one metric each, resolved once at start-up.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            pub(super) const TEXTS: &[&str] = &[$($text),+];

            /// The value of the label.
            pub fn text(self) -> &'static str {
                Self::TEXTS[self as usize]
            }
        }
    };
}

pub(super) use labels;
