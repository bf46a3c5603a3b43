//! A conversation as Gemini's `contents`. What tools gave goes back under the names of the calls it answers, which the
//! conversation itself tells.
//!
//! Gemini 3 and later refuse a function call of theirs that comes back without the proof of what was thought before it. Where
//! the client had a place for it, it stands with the call, or marked in a thought in front of it. A history that has none, as
//! another provider's, gets the word that Google documents for that case.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Set, Speaker, Success, Turn};
use crate::wire::translate::proof::unmarked;

/// What stands for the proof of a call that the model did not make itself, or whose proof is lost.
const UNPROVEN: &str = "skip_thought_signature_validator";

/// The types of images that Gemini takes inline, and the ends of addresses that tell them.
const IMAGES: [(&str, &[&str]); 5] = [
    ("image/png", &[".png"]),
    ("image/jpeg", &[".jpg", ".jpeg"]),
    ("image/webp", &[".webp"]),
    ("image/heic", &[".heic"]),
    ("image/heif", &[".heif"]),
];

/// The type of documents that Gemini reads as they look.
const PDF: &str = "application/pdf";

/// What one side says.
#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Said<'a>>,
}

/// A part of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    #[serde(flatten)]
    held: Held<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Held<'a> {
    Text(&'a str),
    InlineData(Blob<'a>),
    FileData(File<'a>),
    FunctionCall(FunctionCall<'a>),
    FunctionResponse(FunctionResponse<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    /// Left to Google where the address does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    id: &'a str,
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    id: &'a str,
    name: &'a str,
    response: Given<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Shown<'a>>,
}

/// An object: Google's own words for what a function gave, and for what went wrong.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Given<'a> {
    Output(Words<'a>),
    Error(Words<'a>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Words<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
}

/// An image that a function gave.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    inline_data: Blob<'a>,
}

/// What the system or the developer says; `None` where nothing is said.
pub(super) fn system(said: &[Set<String>]) -> Option<Content<'_>> {
    let parts: Vec<Said<'_>> = said.iter().map(|text| Said::plain(Held::Text(&text.value))).collect();
    (!parts.is_empty()).then_some(Content { role: None, parts })
}

/// The conversation, for the model that is called `provider_model`.
///
/// # Errors
/// The first part that cannot be said.
pub(super) fn contents<'a>(turns: &'a [Turn], provider_model: &str) -> Result<Vec<Content<'a>>, AskFault> {
    let mut reader =
        Reader { names: HashMap::new(), generation: Generation::of(provider_model), proof: Proof::Awaited };
    let mut contents = Vec::with_capacity(turns.len());
    for turn in turns {
        let content = reader.turn(turn)?;
        // A turn may hold nothing but thoughts.
        if !content.parts.is_empty() {
            contents.push(content);
        }
    }
    Ok(contents)
}

/// What a model can read depends on its age.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Generation {
    /// Fetches no addresses.
    Two,
    TwoAndHalf,
    /// Asks for proofs, and sees what functions show.
    Three,
}

impl Generation {
    fn of(model: &str) -> Self {
        if model.contains("gemini-1") || model.contains("gemini-2.0") {
            Self::Two
        } else if model.contains("gemini-2.5") {
            Self::TwoAndHalf
        } else {
            Self::Three
        }
    }
}

/// What is known of the proof that the first call of a turn needs.
#[derive(Copy, Clone, Debug)]
enum Proof<'a> {
    /// No call yet.
    Awaited,
    /// It stood in front of the call.
    Found(&'a str),
    /// A call has had it.
    Given,
}

struct Reader<'a> {
    /// The names of the calls made so far, by their ids.
    names: HashMap<&'a str, &'a str>,
    generation: Generation,
    proof: Proof<'a>,
}

impl<'a> Reader<'a> {
    fn turn(&mut self, turn: &'a Turn) -> Result<Content<'a>, AskFault> {
        self.proof = Proof::Awaited;
        let role = match turn.speaker {
            Speaker::User => "user",
            Speaker::Model => "model",
        };
        let mut parts = Vec::with_capacity(turn.parts.len());
        for part in &turn.parts {
            parts.extend(self.part(part)?);
        }
        Ok(Content { role: Some(role), parts })
    }

    fn part(&mut self, part: &'a Set<Part>) -> Result<Option<Said<'a>>, AskFault> {
        let held = match &part.value {
            Part::Text(text) => Held::Text(text),
            Part::Image(media) => self.image(part, media)?,
            Part::Document(media) => self.document(part, media)?,
            Part::Call(call) => return Ok(Some(self.call(call))),
            Part::Outcome(outcome) => Held::FunctionResponse(self.outcome(part, outcome)?),
            // Its words are only the provider's summary, and confuse the model that made them when they come back.
            Part::Thought { signature, .. } => {
                if let Some(own) = signature.as_deref().and_then(unmarked) {
                    self.proof = Proof::Found(own);
                }
                return Ok(None);
            }
        };
        Ok(Some(Said::plain(held)))
    }

    fn image(&self, part: &Set<Part>, media: &'a Media) -> Result<Held<'a>, AskFault> {
        match media {
            Media::Inline { media_type, data } => inline_image(part, media_type, data).map(Held::InlineData),
            Media::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
                let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
                let known = IMAGES.iter().find(|(_, known)| ends(known)).map(|(mime_type, _)| *mime_type);
                self.file(part, url, known)
            }
        }
    }

    fn document(&self, part: &Set<Part>, media: &'a Media) -> Result<Held<'a>, AskFault> {
        match media {
            Media::Inline { media_type, data } if media_type == PDF => {
                Ok(Held::InlineData(Blob { mime_type: PDF, data }))
            }
            Media::Inline { .. } => {
                Err(part.refuse("must be a PDF: this model's provider (Google) takes no other document"))
            }
            Media::Url(url) => self.file(part, url, Some(PDF)),
        }
    }

    /// Google fetches what lies at a public address.
    fn file(
        &self,
        part: &Set<Part>,
        file_uri: &'a str,
        mime_type: Option<&'static str>,
    ) -> Result<Held<'a>, AskFault> {
        if self.generation == Generation::Two {
            return Err(
                part.refuse("must hold its data: this model of its provider's (Google) fetches no address")
            );
        }
        Ok(Held::FileData(File { mime_type, file_uri }))
    }

    fn call(&mut self, call: &'a Call) -> Said<'a> {
        self.names.insert(&call.id, &call.name);
        // Of calls made at once the first alone has a proof.
        let found = match std::mem::replace(&mut self.proof, Proof::Given) {
            Proof::Found(proof) => Some(proof),
            Proof::Awaited if self.generation == Generation::Three => Some(UNPROVEN),
            Proof::Awaited | Proof::Given => None,
        };
        let held = Held::FunctionCall(FunctionCall { id: &call.id, name: &call.name, args: &call.arguments });
        Said { held, thought_signature: call.signature.as_deref().or(found) }
    }

    fn outcome(&self, part: &Set<Part>, outcome: &'a Outcome) -> Result<FunctionResponse<'a>, AskFault> {
        let name = self.names.get(outcome.call.as_str()).ok_or_else(|| {
            part.refuse("must answer a call that was made before it: this model's provider (Google) asks for its name")
        })?;
        let (mut texts, mut parts) = (Vec::new(), Vec::new());
        for given in &outcome.parts {
            match &given.value {
                Part::Text(text) => texts.push(text.as_str()),
                Part::Image(Media::Inline { media_type, data }) if self.generation == Generation::Three => {
                    parts.push(Shown { inline_data: inline_image(given, media_type, data)? });
                }
                _ => {
                    return Err(given.refuse(
                        "cannot be what a tool gave: this model's provider (Google) takes text, and from Gemini 3 on images with their data",
                    ));
                }
            }
        }
        let words = match texts.as_slice() {
            [] => Words::One(""),
            [text] => Words::One(text),
            _ => Words::Several(texts),
        };
        let response = match outcome.success {
            Success::Done => Given::Output(words),
            Success::Failed => Given::Error(words),
        };
        Ok(FunctionResponse { id: &outcome.call, name, response, parts })
    }
}

impl<'a> Said<'a> {
    const fn plain(held: Held<'a>) -> Self {
        Self { held, thought_signature: None }
    }
}

fn inline_image<'a>(part: &Set<Part>, media_type: &str, data: &'a str) -> Result<Blob<'a>, AskFault> {
    let known = IMAGES.iter().find(|(known, _)| *known == media_type);
    let (mime_type, _) = known.ok_or_else(|| {
        part.refuse(
            "must be a PNG, JPEG, WebP, HEIC or HEIF image: this model's provider (Google) takes no other",
        )
    })?;
    Ok(Blob { mime_type, data })
}
