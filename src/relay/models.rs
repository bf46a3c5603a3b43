//! `GET /v1/models` and `/v1/models/{id}`: the models a token may call now, in the shape its client knows.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::relay::failure::Failure;
use crate::tokens::Caller;
use crate::wire::{Dialect, percent};

/// The dialect that a caller's headers tell, where the route does not.
pub fn dialect_of_caller(request: &HttpRequest) -> Dialect {
    let has = |name: &str| request.headers().contains_key(name);
    let google_key = request.query_string().split('&').any(|pair| pair.starts_with("key="));
    if has("anthropic-version") {
        Dialect::Anthropic
    } else if has("x-goog-api-key") || has("x-goog-api-client") || google_key {
        Dialect::Gemini
    } else {
        Dialect::OpenAi
    }
}

fn shown(dialect: Dialect, id: &str, owner: &str) -> Value {
    match dialect {
        Dialect::OpenAi => json!({"id": id, "object": "model", "created": 0, "owned_by": owner}),
        Dialect::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"})
        }
        Dialect::Gemini => json!({"name": format!("models/{id}"), "baseModelId": id, "displayName": id}),
    }
}

fn listed(dialect: Dialect, models: &[Value]) -> Value {
    let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    match dialect {
        Dialect::OpenAi => json!({"object": "list", "data": models}),
        Dialect::Anthropic => json!({
            "data": models,
            "has_more": false,
            "first_id": id(models.first()),
            "last_id": id(models.last()),
        }),
        Dialect::Gemini => json!({"models": models}),
    }
}

/// All models that the caller may call.
pub fn list(directory: &Directory, caller: &Caller, dialect: Dialect) -> Vec<u8> {
    let models: Vec<Value> = directory
        .models(caller.token())
        .iter()
        .filter_map(|model| Some(shown(dialect, model, directory.owner(caller.token(), model)?)))
        .collect();
    listed(dialect, &models).to_string().into_bytes()
}

/// One of them.
///
/// # Errors
/// When the caller may not call it; whether it exists is not told.
pub fn one(
    directory: &Directory,
    caller: &Caller,
    dialect: Dialect,
    model: &str,
) -> Result<Vec<u8>, Failure> {
    let decoded = percent::decode(model).ok_or_else(|| Failure::model_not_found(model))?;
    let model = decoded.as_str();
    let permitted = caller.token().permits_model(model);
    let owner = directory.owner(caller.token(), model).filter(|_| permitted);
    let owner = owner.ok_or_else(|| Failure::model_not_found(model))?;
    Ok(shown(dialect, model, owner).to_string().into_bytes())
}
