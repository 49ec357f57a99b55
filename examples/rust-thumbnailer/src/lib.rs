//! Small pictures of large ones: `POST /?size=200` with a JPEG or a PNG as its body answers with the same picture, no
//! side of it longer than 200 pixels. A JPEG comes back as a JPEG, a PNG as a PNG.
//!
//! A picture of some kilobytes can claim to be gigabytes of pixels. So its head is read first, and a picture that is
//! larger than the function has memory for is refused before it is unpacked.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};
use wisp_sdk::{
    Error,
    http::{IntoResponse as _, Json, Request, RequestExt as _, Response, StatusCode, header},
};

/// The most that a picture may have: four bytes of each are in memory, and there is room for a copy.
const MAX_PIXELS: u64 = 12_000_000;
/// The most that unpacking may take, in bytes, the picture itself included.
const MAX_MEMORY: u64 = 64 << 20;

const DEFAULT_SIZE: u32 = 128;
const SIZES: std::ops::RangeInclusive<u32> = 8..=1024;

/// A request that is the client's to correct.
struct Refusal {
    status: StatusCode,
    reason: String,
}

#[wisp_sdk::http_handler]
fn thumbnail(request: Request) -> Result<Response, Error> {
    match size(&request).and_then(|size| shrink(request.body(), size)) {
        Ok((format, bytes)) => {
            let response = Response::builder().header(header::CONTENT_TYPE, format.to_mime_type());
            Ok(response.body(bytes.into())?)
        }
        Err(refusal) => {
            let document = serde_json::json!({ "errorMessage": refusal.reason });
            (refusal.status, Json(document)).into_response()
        }
    }
}

fn size(request: &Request) -> Result<u32, Refusal> {
    let Some(text) = request.query("size") else { return Ok(DEFAULT_SIZE) };
    let size = text.parse().ok().filter(|size| SIZES.contains(size));
    size.ok_or_else(|| {
        let (least, most) = SIZES.into_inner();
        Refusal::new(StatusCode::BAD_REQUEST, format!("size={text} is no number of pixels from {least} to {most}"))
    })
}

fn shrink(picture: &[u8], size: u32) -> Result<(ImageFormat, Vec<u8>), Refusal> {
    let (format, picture, orientation) = unpack(picture)?;
    // Cameras store pictures as the sensor lay, and beside them how to turn them. The small one has nothing beside it.
    let mut small = picture.thumbnail(size, size);
    small.apply_orientation(orientation);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, format).map_err(|error| Refusal::unreadable(&error))?;
    Ok((format, bytes.into_inner()))
}

fn unpack(picture: &[u8]) -> Result<(ImageFormat, DynamicImage, Orientation), Refusal> {
    let format = match image::guess_format(picture) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send a JPEG or a PNG".to_owned())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(picture), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| Refusal::unreadable(&error))?;
    refuse_too_large(decoder.dimensions())?;
    let orientation = decoder.orientation().map_err(|error| Refusal::unreadable(&error))?;
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| Refusal::unreadable(&error))?;
    Ok((format, picture, orientation))
}

fn refuse_too_large((width, height): (u32, u32)) -> Result<(), Refusal> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= MAX_PIXELS {
        return Ok(());
    }
    let reason = format!("the picture has {width} × {height} pixels, {pixels} in all: at most {MAX_PIXELS} are taken");
    Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason))
}

impl Refusal {
    fn new(status: StatusCode, reason: String) -> Self {
        Self { status, reason }
    }

    fn unreadable(error: &image::ImageError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the picture cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::new(width, height).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn post(uri: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let response = thumbnail(Request::post(uri).body(body.into()).unwrap()).unwrap();
        (response.status().as_u16(), response.into_body().into_bytes())
    }

    #[test]
    fn a_picture_keeps_its_shape() {
        let (status, small) = post("/?size=100", png(400, 200));
        assert_eq!(status, 200);
        let small = image::load_from_memory(&small).unwrap();
        assert_eq!((small.width(), small.height()), (100, 50));
    }

    /// Less than a hundred bytes that claim to be 100,000 × 100,000 pixels.
    #[test]
    fn a_bomb_is_refused_by_what_it_claims() {
        let mut head = png(1, 1);
        head[16..20].copy_from_slice(&100_000u32.to_be_bytes());
        head[20..24].copy_from_slice(&100_000u32.to_be_bytes());
        let checksum = crc32(&head[12..29]);
        head[29..33].copy_from_slice(&checksum.to_be_bytes());
        let (status, body) = post("/", head);
        assert_eq!((status, String::from_utf8(body).unwrap().contains("100000 × 100000 pixels")), (413, true));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert_eq!(post("/", b"GIF89a".to_vec()).0, 415);
        assert_eq!(post("/", png(9, 9)[..60].to_vec()).0, 422);
        assert_eq!(post("/?size=9999", png(9, 9)).0, 400);
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
