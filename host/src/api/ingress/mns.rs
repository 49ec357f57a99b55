//! Messages to topics and queues: in the XML of MNS ("PublishMessage", "SendMessage"), or just as they are.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Response, header, request::Parts};
use jiff::Timestamp;
use roxmltree::{Document, Node};

use super::{ResponseBody, created, created_json, header_of, invalid, message_document};
use crate::{
    invoke::RequestId,
    platform_error::PlatformError,
    trigger::payload::{Message, mns::md5},
};

/// A message that was sent to a source.
pub(super) fn message(source: &str, head: &Parts, body: &Bytes) -> Result<Message, PlatformError> {
    let message = Message {
        id: format!("{:032X}", fastrand::u128(..)),
        topic: source.to_owned(),
        body: body.to_vec(),
        tag: None,
        attributes: BTreeMap::new(),
        time: Timestamp::now(),
        depth: 0,
    };
    if is_xml(&head.headers) { of_xml(message, body) } else { Ok(with_query(message, head.uri.query())) }
}

/// `tag=`, and `attribute=NAME:VALUE` as often as there are attributes.
fn with_query(mut message: Message, query: Option<&str>) -> Message {
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*key, value.split_once(':')) {
            ("tag", _) => message.tag = Some(value.into_owned()),
            ("attribute", Some((name, value))) => {
                message.attributes.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    message
}

fn of_xml(mut message: Message, body: &Bytes) -> Result<Message, PlatformError> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("the message is no UTF-8"))?;
    let document = Document::parse(text).map_err(|error| invalid(format!("the message is no XML: {error}")))?;
    let root = document.root_element();
    let body = child(&root, "MessageBody").ok_or_else(|| {
        invalid("the message has no <MessageBody>; it is <Message><MessageBody>…</MessageBody></Message>")
    })?;
    message.body = body.into_bytes();
    message.tag = child(&root, "MessageTag").filter(|tag| !tag.is_empty());
    let properties = root.descendants().filter(|node| node.has_tag_name_of("PropertyValue"));
    for property in properties {
        if let (Some(name), Some(value)) = (child(&property, "Name"), child(&property, "Value")) {
            message.attributes.insert(name, value);
        }
    }
    Ok(message)
}

/// Names alone tell elements apart: some clients leave the namespace out.
trait Named {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// The text of a child element.
fn child(node: &Node<'_, '_>, name: &str) -> Option<String> {
    let child = node.children().find(|child| child.has_tag_name_of(name))?;
    Some(child.text().unwrap_or_default().to_owned())
}

fn is_xml(headers: &HeaderMap) -> bool {
    header_of(headers, header::CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim().ends_with("xml")
}

/// The answer, in the form of the request.
pub(super) fn accepted(message: &Message, headers: &HeaderMap, id: &RequestId) -> Response<ResponseBody> {
    let md5 = md5(&message.body);
    let mut response = match is_xml(headers) {
        true => created(
            format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Message xmlns=\"http://mns.aliyuncs.com/doc/v1/\">\
                 <MessageId>{}</MessageId><MessageBodyMD5>{md5}</MessageBodyMD5></Message>\n",
                message.id
            ),
            "text/xml",
        ),
        false => created_json(&message_document(&message.id, &md5)),
    };
    if let Ok(id) = id.as_str().parse() {
        response.headers_mut().insert("x-mns-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn sent(content_type: &str, query: &str, body: &str) -> Result<Message, PlatformError> {
        let request = Request::post(format!("/topics/t/messages{query}")).header("content-type", content_type);
        message("t", &request.body(()).unwrap().into_parts().0, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_message_in_xml_has_its_body_tag_and_properties_in_elements() {
        let xml = r#"<?xml version="1.0"?><Message xmlns="http://mns.aliyuncs.com/doc/v1/">
            <MessageBody>a &lt; b</MessageBody><MessageTag>red</MessageTag>
            <UserProperties><PropertyValue><Name>k</Name><Value>v</Value></PropertyValue></UserProperties></Message>"#;
        let message = sent("text/xml;charset=utf-8", "", xml).unwrap();
        assert_eq!((message.body.as_slice(), message.tag.as_deref()), (&b"a < b"[..], Some("red")));
        assert_eq!(message.attributes["k"], "v");
        assert!(sent("application/xml", "", "<Message/>").unwrap_err().message.contains("<MessageBody>"));
        assert!(sent("application/xml", "", "hello").is_err());
    }

    #[test]
    fn any_other_body_is_the_message() {
        let message = sent("text/plain", "?tag=blue&attribute=k:v:w", "<hello>").unwrap();
        assert_eq!((message.body.as_slice(), message.tag.as_deref()), (&b"<hello>"[..], Some("blue")));
        assert_eq!(message.attributes["k"], "v:w");
        assert_eq!(message.id.len(), 32);
    }
}
