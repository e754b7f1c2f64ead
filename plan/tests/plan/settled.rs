//! What is known after an outcome: of each settlement the facts that the next decision, or the next process, goes by.

mod answers;
mod outcomes;
mod pass;
