//! The scheme files that come with the binary. Nothing else in Keyway names a scheme.

use keyway_domain::scheme::Scheme;

/// A scheme file that is built in.
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! built_in {
    ($($name:literal),*) => {
        &[$(BuiltIn {
            name: $name,
            text: include_str!(concat!("../../../schemes/", $name, ".toml")),
        }),*]
    };
}

/// The schemes that come with the binary.
pub const BUILT_IN: &[BuiltIn] = built_in!["xendit", "xtopay", "enterprise", "rapyd", "airwallex"];

/// What the demo shows when nobody says which.
pub const DEMO_DEFAULT: &str = "xendit";

/// The rules of the operator's own tokens.
pub fn operator() -> Scheme {
    Scheme::parse(include_str!("operator.toml")).expect("the built-in operator scheme is right")
}

/// The text of a scheme: a built-in one by its name, otherwise a file. The error says what to do.
pub fn read(name_or_path: &str) -> Result<String, String> {
    if let Some(scheme) = BUILT_IN.iter().find(|scheme| scheme.name == name_or_path) {
        return Ok(scheme.text.to_owned());
    }
    std::fs::read_to_string(name_or_path).map_err(|error| {
        let names: Vec<_> = BUILT_IN.iter().map(|scheme| scheme.name).collect();
        format!(
            "`{name_or_path}` is neither a built-in scheme ({}) nor a readable file: {error}",
            names.join(", ")
        )
    })
}

/// Reads and checks a scheme; the error names the file and the line.
pub fn load(name_or_path: &str) -> Result<Scheme, String> {
    let text = read(name_or_path)?;
    Scheme::parse(&text).map_err(|error| format!("{name_or_path}: {error}"))
}
