//! JSON rewritten as signing clients write it. Numbers keep their text unless a form says otherwise.

use keyway_domain::limits::JSON_DEPTH_MAX;

/// How a client writes JSON before it signs it. None of them writes white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text in UTF-8.
    Utf8,
    /// Everything beyond ASCII as `\uXXXX`.
    Ascii,
    /// As `JSON.stringify` after `JSON.parse`: UTF-8, and numbers in their shortest form.
    JsNumbers,
}

/// Rewrites a JSON text; `None` if it is not JSON. An empty object becomes nothing, as clients do.
pub(super) fn canonical(text: &[u8], form: Form) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut writer = Writer { rest: text, out: String::with_capacity(text.len()), form };
    writer.skip_space();
    if writer.rest.is_empty() {
        return Some(Vec::new());
    }
    writer.value(0)?;
    writer.skip_space();
    if !writer.rest.is_empty() {
        return None;
    }
    if writer.out == "{}" {
        writer.out.clear();
    }
    Some(writer.out.into_bytes())
}

struct Writer<'t> {
    rest: &'t str,
    out: String,
    form: Form,
}

impl Writer<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Takes one character over, if it is that one.
    fn take(&mut self, wanted: u8) -> Option<()> {
        if self.peek()? != wanted {
            return None;
        }
        self.rest = &self.rest[1..];
        self.out.push(char::from(wanted));
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > JSON_DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'{' => self.list(b'{', b'}', depth, true),
            b'[' => self.list(b'[', b']', depth, false),
            b'"' => self.string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn list(&mut self, open: u8, close: u8, depth: usize, keyed: bool) -> Option<()> {
        self.take(open)?;
        self.skip_space();
        if self.peek()? == close {
            return self.take(close);
        }
        loop {
            self.skip_space();
            if keyed {
                self.string()?;
                self.skip_space();
                self.take(b':')?;
                self.skip_space();
            }
            self.value(depth + 1)?;
            self.skip_space();
            if self.peek()? == close {
                return self.take(close);
            }
            self.take(b',')?;
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        self.out.push_str(word);
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        // The end is the first quote that no backslash escapes.
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return None;
        }
        let mut end = 1;
        while *bytes.get(end)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (string, rest) = self.rest.split_at_checked(end + 1)?;
        let value: String = serde_json::from_str(string).ok()?;
        self.rest = rest;
        let written = serde_json::to_string(&value).ok()?;
        if self.form == Form::Ascii {
            for character in written.chars() {
                if character.is_ascii() {
                    self.out.push(character);
                } else {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        } else {
            self.out.push_str(&written);
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !is_number(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let value: serde_json::Number = serde_json::from_str(text).ok()?;
        self.rest = rest;
        if self.form == Form::JsNumbers {
            self.out.push_str(&js_number(value.as_f64()?));
        } else {
            self.out.push_str(text);
        }
        Some(())
    }
}

/// A number as JavaScript prints it (ECMA-262, Number::toString).
fn js_number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if (1e-6..1e21).contains(&magnitude) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}
