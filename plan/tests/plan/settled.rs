//! What is known after an outcome: of each settlement the facts that the next decision, or the next process, goes by.

mod answers;
mod outcomes;
mod pass;
mod troubles;

use entra_plan::Object;

use super::build::name;

fn token_object() -> Object {
    Object::Token(name("graph"))
}

fn contents() -> Object {
    Object::Contents(name("graph"))
}
