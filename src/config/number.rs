//! Whole numbers with a unit: their parsers, whose errors state the unit, the range and an example.

use std::ops::RangeInclusive;

/// A parser of a value, in the form that clap takes.
pub trait ParseNumber: Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {}

impl<F: Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static> ParseNumber for F {}

pub fn seconds(range: RangeInclusive<u64>, example: u64) -> impl ParseNumber {
    number("seconds, a whole number", range, example)
}

pub fn milliseconds(range: RangeInclusive<u64>, example: u64) -> impl ParseNumber {
    number("milliseconds, a whole number", range, example)
}

pub fn count(range: RangeInclusive<u64>, example: u64) -> impl ParseNumber {
    number("a whole number", range, example)
}

/// A port to listen on; 0 picks one.
pub fn port(text: &str) -> Result<u16, String> {
    let number = number("a port, a whole number", 0..=u16::MAX.into(), 8080)(text)?;
    u16::try_from(number).map_err(|error| error.to_string())
}

fn number(unit: &'static str, range: RangeInclusive<u64>, example: u64) -> impl ParseNumber {
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (*range.start(), *range.end());
        let range =
            if most == u64::MAX { format!("of {least} or more") } else { format!("from {least} to {most}") };
        number.ok_or_else(|| format!("must be {unit} {range}, such as {example}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_states_unit_range_and_example() {
        let parse = seconds(1..=60, 5);
        assert_eq!((parse("1"), parse("60")), (Ok(1), Ok(60)));
        for wrong in ["", "0", "61", "15m", "1.5", "-1", "1_0", "99999999999999999999"] {
            let words = "must be seconds, a whole number from 1 to 60, such as 5".to_owned();
            assert_eq!(parse(wrong), Err(words), "{wrong}");
        }
        let without_limit = count(1..=u64::MAX, 100)("0").unwrap_err();
        assert_eq!(without_limit, "must be a whole number of 1 or more, such as 100");
    }
}
