//! Clients of OpenAI's responses.
