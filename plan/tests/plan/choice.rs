//! Choices: a world is written once, as a function of choices; it is run with every combination, or with random ones.

use entra_plan::Time;

use super::build::NOW;

/// Answers the questions "which of these?" that a world asks while it is built.
pub struct Choice<'t> {
    source: Source<'t>,
}

enum Source<'t> {
    /// Every combination in turn: what was picked, of how many.
    Every { picked: Vec<(usize, usize)>, at: usize },
    /// As a tape of random bytes says. A tape that ends, or shrinks to zeros, picks the first of everything.
    Tape(&'t [u8]),
}

/// Calls `world` once for every combination of the choices that it makes; returns how many there were.
pub fn every(mut world: impl FnMut(&mut Choice<'_>)) -> usize {
    let mut choice = Choice {
        source: Source::Every {
            picked: Vec::new(),
            at: 0,
        },
    };
    for count in 1.. {
        world(&mut choice);
        if !choice.advance() {
            return count;
        }
    }
    unreachable!("the worlds are finite")
}

impl<'t> Choice<'t> {
    /// Choices as `tape` says.
    pub const fn tape(tape: &'t [u8]) -> Self {
        Self {
            source: Source::Tape(tape),
        }
    }

    /// One of `0..n`.
    pub fn index(&mut self, n: usize) -> usize {
        match &mut self.source {
            Source::Every { picked, at } => {
                if *at == picked.len() {
                    picked.push((0, n));
                }
                assert_eq!(picked[*at].1, n, "a world must ask the same questions again");
                *at += 1;
                picked[*at - 1].0
            }
            Source::Tape(_) => usize::from(self.byte()) % n,
        }
    }

    /// One of `options`.
    pub fn of<T: Clone>(&mut self, options: &[T]) -> T {
        options[self.index(options.len())].clone()
    }

    /// Yes or no; no comes first.
    pub fn flag(&mut self) -> bool {
        self.index(2) == 1
    }

    /// A moment at one of `offsets` from now; on a tape sometimes a little off, sometimes any time at all.
    pub fn moment(&mut self, offsets: &[i64]) -> Time {
        let offset = self.of(offsets);
        let wild = match &self.source {
            Source::Every { .. } => 0,
            Source::Tape(_) => self.byte(),
        };
        match wild {
            0..=127 => NOW.plus(offset),
            128..=223 => NOW.plus(offset + i64::from(self.byte()) - 128),
            224..=249 => Time(self.number() % 10_000_000),
            _ => Time(self.number()),
        }
    }

    /// Any number; only on a tape.
    pub fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn byte(&mut self) -> u8 {
        match &mut self.source {
            Source::Tape(tape) => {
                let (first, rest) = tape.split_first().unwrap_or((&0, &[]));
                *tape = rest;
                *first
            }
            Source::Every { .. } => unreachable!("numbers cannot be enumerated"),
        }
    }

    /// Goes on to the next combination: the last choice that has another option takes it.
    fn advance(&mut self) -> bool {
        let Source::Every { picked, at } = &mut self.source else {
            return false;
        };
        *at = 0;
        while let Some((i, n)) = picked.pop() {
            if i + 1 < n {
                picked.push((i + 1, n));
                return true;
            }
        }
        false
    }
}

#[test]
fn every_combination_comes_once() {
    let mut seen = Vec::new();
    let count = every(|c| {
        let a = c.index(2);
        let b = if a == 0 { c.index(3) } else { 9 };
        seen.push((a, b));
    });
    assert_eq!(count, 4);
    assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 9)]);
}
