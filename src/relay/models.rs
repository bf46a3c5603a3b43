//! `GET /v1/models` and `/v1/models/{id}`: the models a token may call now, in the shape its client knows.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::relay::failure::Failure;
use crate::tokens::Caller;
use crate::wire::percent;

/// Whose shape an answer has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Shape {
    OpenAi,
    Anthropic,
    Google,
}

impl Shape {
    fn of(request: &HttpRequest) -> Self {
        let has = |name: &str| request.headers().contains_key(name);
        let google_key = request.query_string().split('&').any(|pair| pair.starts_with("key="));
        if has("anthropic-version") {
            Self::Anthropic
        } else if has("x-goog-api-key") || has("x-goog-api-client") || google_key {
            Self::Google
        } else {
            Self::OpenAi
        }
    }

    fn model(self, id: &str, owner: &str) -> Value {
        match self {
            Self::OpenAi => json!({"id": id, "object": "model", "created": 0, "owned_by": owner}),
            Self::Anthropic => {
                json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"})
            }
            Self::Google => json!({"name": format!("models/{id}"), "baseModelId": id, "displayName": id}),
        }
    }

    fn list(self, models: &[Value]) -> Value {
        let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
        match self {
            Self::OpenAi => json!({"object": "list", "data": models}),
            Self::Anthropic => json!({
                "data": models,
                "has_more": false,
                "first_id": id(models.first()),
                "last_id": id(models.last()),
            }),
            Self::Google => json!({"models": models}),
        }
    }
}

/// All models that the caller may call.
pub fn list(directory: &Directory, caller: &Caller, request: &HttpRequest) -> Vec<u8> {
    let shape = Shape::of(request);
    let models: Vec<Value> = directory
        .models(caller.token())
        .iter()
        .filter_map(|model| Some(shape.model(model, directory.owner(caller.token(), model)?)))
        .collect();
    shape.list(&models).to_string().into_bytes()
}

/// One of them.
///
/// # Errors
/// When the caller may not call it; whether it exists is not told.
pub fn one(
    directory: &Directory,
    caller: &Caller,
    request: &HttpRequest,
    model: &str,
) -> Result<Vec<u8>, Failure> {
    let decoded = percent::decode(model).ok_or_else(|| Failure::model_not_found(model))?;
    let model = decoded.as_str();
    let permitted = caller.token().permits_model(model);
    let owner = directory.owner(caller.token(), model).filter(|_| permitted);
    let owner = owner.ok_or_else(|| Failure::model_not_found(model))?;
    Ok(Shape::of(request).model(model, owner).to_string().into_bytes())
}
