//! Pictures of sixteen by sixteen, drawn with one line width.

use maud::{Markup, PreEscaped, html};

macro_rules! icons {
    ($($name:ident = $path:literal;)*) => {
        $(pub(crate) const $name: Icon = Icon($path);)*
    };
}

/// A picture: the inside of its SVG.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Icon(&'static str);

impl maud::Render for Icon {
    fn render(&self) -> Markup {
        html! {
            svg.i viewBox="0 0 16 16" aria-hidden="true" focusable="false" { (PreEscaped(self.0)) }
        }
    }
}

icons! {
    MENU = r#"<path d="M2 4.5h12M2 8h12M2 11.5h12"/>"#;
    KEY = r#"<circle cx="5.2" cy="10.8" r="3.2"/><path d="M7.6 8.4 14 2m-3 3 2.2 2.2M9 7l1.4 1.4"/>"#;
    HOOK = r#"<circle cx="8" cy="4" r="2.3"/><circle cx="3.6" cy="11.6" r="2.1"/><circle cx="12.4" cy="11.6" r="2.1"/><path d="m7 6.1-2.4 3.6M9 6l2.3 3.7M5.7 11.6h4.6"/>"#;
    BELL = r#"<path d="M4 11V7a4 4 0 0 1 8 0v4l1.3 1.5H2.7zM6.5 14.3h3"/>"#;
    LIST = r#"<path d="M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.1M2 8h.1M2 12h.1"/>"#;
    TEAM = r#"<circle cx="6" cy="5.2" r="2.6"/><path d="M1.5 13.5c.3-2.6 2-4 4.5-4s4.2 1.4 4.5 4M10.6 2.9a2.5 2.5 0 0 1 0 4.6M12 9.8c1.5.5 2.3 1.8 2.5 3.7"/>"#;
    GEAR = r#"<circle cx="8" cy="8" r="2.2"/><path d="M8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M12.6 3.4l-1.4 1.4M4.8 11.2l-1.4 1.4"/>"#;
    FIND = r#"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.2 3.2"/>"#;
    THEME = r#"<circle cx="8" cy="8" r="5.8"/><path d="M8 2.2v11.6a5.8 5.8 0 0 0 0-11.6z" fill="currentColor"/>"#;
    LOCK = r#"<rect x="3" y="7" width="10" height="7" rx="1.6"/><path d="M5.2 7V5a2.8 2.8 0 0 1 5.6 0v2"/>"#;
    LEAVE = r#"<path d="M6 2.5H3v11h3M10.5 5 13.5 8l-3 3M13 8H6.5"/>"#;
    PLUS = r#"<path d="M8 3v10M3 8h10"/>"#;
    FILTER = r#"<path d="M2 3.5h12M4.5 8h7M6.5 12.5h3"/>"#;
    MORE = r#"<circle cx="3.2" cy="8" r=".6"/><circle cx="8" cy="8" r=".6"/><circle cx="12.8" cy="8" r=".6"/>"#;
    ROTATE = r#"<path d="M13.5 8a5.5 5.5 0 1 1-1.7-4M13.6 1.6V4.4h-2.8"/>"#;
    EDIT = r#"<path d="m2.5 13.5.7-3L10.5 3.2l2.3 2.3-7.3 7.3z"/>"#;
    COPY = r#"<rect x="5.5" y="5.5" width="8" height="8" rx="1.6"/><path d="M10.5 3.2A1.7 1.7 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5c0 .7.3 1.2.9 1.5"/>"#;
    TWICE = r#"<rect x="2.5" y="2.5" width="8" height="8" rx="1.5"/><path d="M13.5 6v6a1.5 1.5 0 0 1-1.5 1.5H6M6.5 4.7v3.6M4.7 6.5h3.6"/>"#;
    BIN = r#"<path d="M2.5 4.2h11M6 4V2.5h4V4M4 4.2l.6 9.3h6.8l.6-9.3M6.7 7v4M9.3 7v4"/>"#;
    PULSE = r#"<path d="M1.5 8.5h3l2-5 3 9 2-4h3"/>"#;
    CHECK = r#"<path d="m3 8.5 3.2 3.2L13 4.8"/>"#;
    CLOSE = r#"<path d="m3.5 3.5 9 9M12.5 3.5l-9 9"/>"#;
    WARN = r#"<path d="M8 2.2 14.3 13.3H1.7zM8 6.5v3.2M8 11.6v.1"/>"#;
    INFO = r#"<circle cx="8" cy="8" r="6"/><path d="M8 7.3v3.5M8 5.1v.1"/>"#;
    EYE = r#"<path d="M1.2 8S3.6 3.5 8 3.5 14.8 8 14.8 8 12.4 12.5 8 12.5 1.2 8 1.2 8z"/><circle cx="8" cy="8" r="2"/>"#;
    BACK = r#"<path d="M5.5 2.5 2.5 5.5l3 3M2.8 5.5h6.4a4 4 0 0 1 0 8H5.5"/>"#;
    CLOCK = r#"<circle cx="8" cy="8" r="6"/><path d="M8 4.6V8l2.3 1.5"/>"#;
    DOWN = r#"<path d="M8 2v8M4.8 7.2 8 10.4l3.2-3.2M2.5 13.5h11"/>"#;
    SHIELD = r#"<path d="M8 1.8 13.2 3.6v4.1c0 3.1-2.2 5.4-5.2 6.5-3-1.1-5.2-3.4-5.2-6.5V3.6z"/><path d="m5.8 8 1.6 1.6 2.9-3"/>"#;
    LINK = r#"<path d="M6.8 9.2a2.8 2.8 0 0 0 4 0l2-2a2.8 2.8 0 0 0-4-4l-.8.8M9.2 6.8a2.8 2.8 0 0 0-4 0l-2 2a2.8 2.8 0 0 0 4 4l.8-.8"/>"#;
    MAIL = r#"<rect x="2" y="3.5" width="12" height="9" rx="1.5"/><path d="m2.5 4.5 5.5 4.3 5.5-4.3"/>"#;
}
