//! Gemini's dialect.

use super::{Case, EVENTS, JSON, transcribe};

#[test]
fn gemini() {
    transcribe("transcript_gemini.txt", "gemini", "models = [\"gemini-*\"]", CASES);
}

/// `gemini-2.5-flash`: 0.3 dollars a million of input, 1 where it is sound, 0.03 from the cache, 2.5 of output and of thoughts.
pub const CASES: &[Case] = &[
    Case {
        name: "content, with cached input, sound, thoughts and what tools brought",
        target: "/v1beta/models/gemini-2.5-flash:generateContent?key=&other=1",
        headers: &[("x-goog-api-client", "google-genai-sdk/1.0")],
        body: r#"{ "contents":[{"role":"user","parts":[{"text":"h\u00e9"}]}], "generation_config": {"temperature": 0.50} }"#,
        reply: (
            JSON,
            &[
                r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1300,"cachedContentTokenCount":1000,"candidatesTokenCount":20,"thoughtsTokenCount":50,"toolUsePromptTokenCount":30,"totalTokenCount":1400,"promptTokensDetails":[{"modality":"TEXT","tokenCount":1200},{"modality":"AUDIO","tokenCount":100}]},"modelVersion":"gemini-2.5-flash"}"#,
            ],
        ),
        cost: Some(&[(200, 300), (100, 1_000), (1_000, 30), (30, 300), (20, 2_500), (50, 2_500)]),
    },
    Case {
        name: "content, streamed as events; each chunk has the usage so far",
        target: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        headers: &[],
        body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2,\"candidatesTokenCount\":1,\"totalTokenCount\":3}}\r\n\r\n",
                "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2,\"candidatesTokenCount\":5,\"totalTokenCount\":7}}\r\n\r\n",
            ],
        ),
        cost: Some(&[(2, 300), (5, 2_500)]),
    },
    Case {
        name: "content, streamed as an array",
        target: "/v1/models/gemini-2.5-flash:streamGenerateContent",
        headers: &[],
        body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        reply: (
            JSON,
            &[
                "[{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2,\"candidatesTokenCount\":1,\"totalTokenCount\":3}}\n",
                ",\n{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2,\"candidatesTokenCount\":5,\"totalTokenCount\":7}}\n]",
            ],
        ),
        cost: Some(&[(2, 300), (5, 2_500)]),
    },
    Case {
        name: "content, streamed; an error in the middle, behind five letters",
        target: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        headers: &[],
        body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"fifth\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2,\"candidatesTokenCount\":1,\"totalTokenCount\":3}}\n\n",
                "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n",
            ],
        ),
        // What is counted here is more than what the provider said so far: a quarter of 2 and 16 bytes, a quarter of 5.
        cost: Some(&[(5, 300), (2, 2_500)]),
    },
    Case {
        name: "content, with a long context: 2.5 and 15 dollars above 200 000",
        target: "/v1beta/models/gemini-2.5-pro:generateContent",
        headers: &[],
        body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        reply: (
            JSON,
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":200001,"candidatesTokenCount":1,"totalTokenCount":200002}}"#,
            ],
        ),
        cost: Some(&[(200_001, 2_500), (1, 15_000)]),
    },
    Case {
        name: "the tokens of a content, counted for nothing",
        target: "/v1beta/models/gemini-2.5-flash:countTokens",
        headers: &[],
        body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        reply: (JSON, &[r#"{"totalTokens":2}"#]),
        cost: None,
    },
    Case {
        name: "an embedding: 0.15 dollars; its input is counted here",
        target: "/v1beta/models/gemini-embedding-001:embedContent",
        headers: &[],
        body: r#"{"content":{"parts":[{"text":"hi"}]}}"#,
        reply: (JSON, &[r#"{"embedding":{"values":[0.5]}}"#]),
        cost: Some(&[(5, 150)]),
    },
    Case {
        name: "embeddings, which are counted",
        target: "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        headers: &[],
        body: r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hi"}]}}]}"#,
        reply: (
            JSON,
            &[
                r#"{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#,
            ],
        ),
        cost: Some(&[(3, 150)]),
    },
];
