//! The fenced blocks of a page.

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Line of its first fence, from 1.
    pub(super) line: usize,
    /// What stands behind the fence.
    pub(super) language: String,
    /// Its lines, without the indentation of the fence.
    pub(super) text: String,
}

const FENCE: &str = "```";

/// All of them, from top to bottom. One that is not closed ends with the page.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut lines = page.lines().enumerate();
    let mut found = Vec::new();
    while let Some((index, first)) = lines.next() {
        let Some(language) = first.trim_start().strip_prefix(FENCE) else {
            continue;
        };
        let indent = first.len() - first.trim_start().len();
        let inner = lines.by_ref().map(|(_, line)| line);
        let inner = inner.take_while(|line| line.trim() != FENCE);
        let lines = inner.map(|line| outdented(line, indent));
        let text = lines.fold(String::new(), |text, line| text + line + "\n");
        found.push(Block {
            line: index + 1,
            language: language.trim().to_owned(),
            text,
        });
    }
    found
}

/// A line without up to so many blanks before it.
fn outdented(line: &str, indent: usize) -> &str {
    let blanks = line.bytes().take(indent).take_while(|&byte| byte == b' ').count();
    line.get(blanks..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_place_language_and_text() {
        let page = "a\n```sh\nb\n\n  c\n```\n1. d\n\n   ```\n   e\n     f\n   ```\n";
        let block = |line, language: &str, text: &str| Block {
            line,
            language: language.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            blocks(page),
            [block(2, "sh", "b\n\n  c\n"), block(9, "", "e\n  f\n")]
        );
    }
}
