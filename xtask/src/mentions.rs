//! What a piece of Rust mentions: paths, also inside `use` groups and macros, and string literals.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path (`std::fs::read`) or a string, and the line it is on.
pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Mention {
    /// Whether the path is `module` or something in it.
    pub(crate) fn is_in(&self, module: &str) -> bool {
        self.text.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// Every path in full: `use a::{b, c::d}` mentions `a::b` and `a::c::d`.
pub(crate) fn paths(tokens: TokenStream) -> Vec<Mention> {
    let mut found = Vec::new();
    collect_paths(tokens, "", &mut found);
    found
}

fn collect_paths(tokens: TokenStream, prefix: &str, found: &mut Vec<Mention>) {
    let mut open: Option<Mention> = None;
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(ident) => match &mut open {
                Some(path) if colons == 2 => path.text = format!("{}::{ident}", path.text),
                _ => {
                    found.extend(open.take());
                    let line = ident.span().start().line;
                    let text = if prefix.is_empty() {
                        ident.to_string()
                    } else {
                        format!("{prefix}::{ident}")
                    };
                    open = Some(Mention { line, text });
                }
            },
            TokenTree::Group(group) => {
                let parent = open.take();
                let in_use = colons == 2 && group.delimiter() == Delimiter::Brace;
                match parent {
                    Some(path) if in_use => collect_paths(group.stream(), &path.text, found),
                    path => {
                        found.extend(path);
                        collect_paths(group.stream(), "", found);
                    }
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => found.extend(open.take()),
        }
        colons = 0;
    }
    found.extend(open);
}

/// Every string literal outside attributes, so that documentation does not count.
pub(crate) fn strings(tokens: TokenStream) -> Vec<Mention> {
    let mut found = Vec::new();
    collect_strings(tokens, &mut found);
    found
}

fn collect_strings(tokens: TokenStream, found: &mut Vec<Mention>) {
    let mut after_hash = false;
    for token in tokens {
        // `#[…]` or `#![…]`, but not `vec![…]`.
        let opens_attribute = matches!(&token, TokenTree::Punct(punct)
            if punct.as_char() == '#' || (after_hash && punct.as_char() == '!'));
        match token {
            TokenTree::Group(group) if after_hash && group.delimiter() == Delimiter::Bracket => {}
            TokenTree::Group(group) => collect_strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                if let syn::Lit::Str(string) = syn::Lit::new(literal) {
                    found.push(Mention { line, text: string.value() });
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
        after_hash = opens_attribute;
    }
}
