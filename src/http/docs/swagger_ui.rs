//! The files of Swagger UI. The binary has them as one archive, and inflates a file when it is first asked for.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use actix_web::web::Bytes;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// How the page begins. Ours stands in place of the archive's, which shows another document.
const INITIALIZER: (&str, &[u8]) = ("swagger-initializer.js", include_bytes!("swagger-initializer.js"));

static ARCHIVE: LazyLock<ZipSliceArchive<&'static [u8]>> =
    LazyLock::new(|| ZipArchive::from_slice(SWAGGER_UI_VENDORED).expect("a test reads the archive"));

static FILES: LazyLock<HashMap<String, PackedFile>> =
    LazyLock::new(|| packed_files(&ARCHIVE).expect("a test reads its files"));

/// A file as it is served.
pub struct SwaggerFile {
    pub content_type: &'static str,
    pub bytes: Bytes,
}

pub fn file(name: &str) -> Option<SwaggerFile> {
    let bytes =
        if name == INITIALIZER.0 { Bytes::from_static(INITIALIZER.1) } else { FILES.get(name)?.inflated() };
    Some(SwaggerFile { content_type: content_type(name), bytes })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("css") => "text/css",
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

/// A file as it lies in the archive.
struct PackedFile {
    data: &'static [u8],
    is_deflated: bool,
    size: usize,
    inflated: OnceLock<Bytes>,
}

impl PackedFile {
    fn inflated(&self) -> Bytes {
        self.inflated.get_or_init(|| self.inflate().expect("a test inflates each file")).clone()
    }

    fn inflate(&self) -> Option<Bytes> {
        if !self.is_deflated {
            return Some(Bytes::from_static(self.data));
        }
        decompress_to_vec_with_limit(self.data, self.size).ok().map(Bytes::from)
    }
}

/// The files that the page can ask for: those of `dist/`, without the maps to its sources.
fn packed_files(
    archive: &'static ZipSliceArchive<&'static [u8]>,
) -> Result<HashMap<String, PackedFile>, rawzip::Error> {
    let mut files = HashMap::new();
    for header in archive.entries() {
        let header = header?;
        let path = header.file_path().try_normalize()?;
        if let Some(name) = served_name(path.as_ref()) {
            let file = PackedFile {
                data: archive.get_entry(header.wayfinder())?.data(),
                is_deflated: header.compression_method() == CompressionMethod::DEFLATE,
                size: header.uncompressed_size_hint() as usize,
                inflated: OnceLock::new(),
            };
            files.insert(name.to_owned(), file);
        }
    }
    Ok(files)
}

/// The archive has all in one folder, whose name is its version.
fn served_name(path: &str) -> Option<&str> {
    let (_, path) = path.split_once('/')?;
    path.strip_prefix("dist/").filter(|name| !name.is_empty() && !name.ends_with(".map"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_the_archive_inflates_to_its_size() {
        assert!(FILES.contains_key("index.html") && FILES.contains_key(INITIALIZER.0));
        for (name, file) in FILES.iter() {
            assert_eq!(file.inflate().map(|bytes| bytes.len()), Some(file.size), "{name}");
        }
    }

    #[test]
    fn each_file_has_a_media_type() {
        for name in FILES.keys() {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn the_page_begins_with_the_scripts_that_it_loads() {
        let page = file("index.html").expect("a page");
        let page = str::from_utf8(&page.bytes).expect("text");
        for script in ["swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", INITIALIZER.0] {
            assert!(page.contains(script), "{page}");
        }
    }
}
