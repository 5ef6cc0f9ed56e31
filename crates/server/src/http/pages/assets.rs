//! The style sheet, the script and the pictures: embedded, and cached for ever under their hash.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use http_body_util::Full;

use crate::http::{Call, Reply};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../../assets/", $name)),
        }
    };
}

const ASSETS: [Asset; 5] = [
    asset!("style.css", "text/css; charset=utf-8"),
    asset!("app.js", "text/javascript; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("band.svg", "image/svg+xml"),
    asset!("rosette.svg", "image/svg+xml"),
];

/// The folder of all assets: another one as soon as one of them changes.
fn folder() -> &'static str {
    static FOLDER: OnceLock<String> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // FNV-1a: a name for a version, no defence.
        let all = ASSETS.iter().flat_map(|asset| asset.bytes);
        let hash = all.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("/assets/{hash:016x}/")
    })
}

/// Where a page finds an asset.
pub(crate) fn url(name: &str) -> String {
    format!("{}{name}", folder())
}

/// Whether a path is one of an asset, of whatever version.
pub(crate) fn is_asset(path: &str) -> bool {
    path.starts_with("/assets/")
}

/// Serves an asset. A page of an older version may still ask under the older hash: it gets the
/// present file, uncached.
pub(crate) fn serve(call: &Call) -> Option<Reply> {
    let path = call.uri.path();
    let wanted = path.strip_prefix("/assets/")?;
    let name = wanted.split_once('/').map(|(_, name)| name)?;
    if call.method != Method::GET {
        return None;
    }
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    let mut reply = Response::new(Full::new(Bytes::from_static(asset.bytes)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let cached =
        if path.starts_with(folder()) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    super::reply::protect(headers, call.app.site.is_secure());
    Some(reply)
}
