//! OpenAI's dialect.

use super::{Case, EVENTS, JSON, transcribe};

#[test]
fn openai() {
    let models = "models = [\"gpt-*\", \"text-*\", \"omni-*\", \"rerank-*\", \"tts-*\"]";
    transcribe("transcript_openai.txt", "openai", models, CASES);
}

/// `gpt-5-mini`: 0.25 dollars a million of input, 0.025 of cached input, 2 of output and of reasoning.
pub const CASES: &[Case] = &[
    Case {
        name: "chat, with cached input and reasoning",
        target: "/v1/chat/completions",
        headers: &[("openai-beta", "x=1")],
        body: r#"{ "model": "gpt-5-mini","messages":[{"role":"user","content":"h\u00e9"}], "n":1 , "unknown": {"z":1.50, "a":[]} }"#,
        reply: (
            JSON,
            &[
                r#"{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}], "usage":{"prompt_tokens":1100,"completion_tokens":300,"total_tokens":1400,"prompt_tokens_details":{"cached_tokens":1000},"completion_tokens_details":{"reasoning_tokens":250}}}"#,
            ],
        ),
        cost: Some(&[(100, 250), (1_000, 25), (50, 2_000), (250, 2_000)]),
    },
    Case {
        name: "chat, streamed; nobody asked for the usage",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            EVENTS,
            &[
                ": hello\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}],\"usage\":null}\n\n",
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n",
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1,\"total_tokens\":9}}\n\n",
                "data: [DONE]\n\n",
            ],
        ),
        cost: Some(&[(8, 250), (1, 2_000)]),
    },
    Case {
        name: "chat, streamed; an error in the middle, behind three letters",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}]}\n\n",
                "data: {\"error\":{\"message\":\"broken\",\"type\":\"server_error\"}}\n\n",
            ],
        ),
        // Counted here: a quarter of 2 bytes and the 16 of a message; a quarter of 3 bytes.
        cost: Some(&[(5, 250), (1, 2_000)]),
    },
    Case {
        name: "chat, heard and spoken: 40 and 80 dollars a million, 2.5 and 10 in text",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"gpt-4o-audio-preview-2025-06-03","modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},"messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            JSON,
            &[
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"audio_1","data":"UklGRg=="}},"finish_reason":"stop"}],"usage":{"prompt_tokens":60,"completion_tokens":55,"total_tokens":115,"prompt_tokens_details":{"audio_tokens":50,"text_tokens":10},"completion_tokens_details":{"audio_tokens":40,"text_tokens":15}}}"#,
            ],
        ),
        cost: Some(&[(10, 2_500), (50, 40_000), (15, 10_000), (40, 80_000)]),
    },
    Case {
        name: "chat, with a long context: 5, 0.5 and 22.5 dollars above 272 000",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"gpt-5.4","messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            JSON,
            &[
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":300000,"completion_tokens":10,"total_tokens":300010,"prompt_tokens_details":{"cached_tokens":100000}}}"#,
            ],
        ),
        cost: Some(&[(200_000, 5_000), (100_000, 500), (10, 22_500)]),
    },
    Case {
        name: "completions: 1.5 and 2 dollars",
        target: "/v1/completions",
        headers: &[],
        body: r#"{"model":"gpt-3.5-turbo-instruct-0914","prompt":["a","b"],"max_tokens":5}"#,
        reply: (
            JSON,
            &[
                r#"{"object":"text_completion","choices":[{"text":"x","index":0},{"text":"y","index":1}],"usage":{"prompt_tokens":2,"completion_tokens":9,"total_tokens":11}}"#,
            ],
        ),
        cost: Some(&[(2, 1_500), (9, 2_000)]),
    },
    Case {
        name: "a response, with two searches of a cent each",
        target: "/v1/responses",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","input":"hi","store":false,"tools":[{"type":"web_search"}],"max_tool_calls":2}"#,
        reply: (
            JSON,
            &[
                r#"{"id":"resp_1","object":"response","status":"completed","output":[{"type":"web_search_call","id":"ws_1","status":"completed"},{"type":"web_search_call","id":"ws_2","status":"completed"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}],"usage":{"input_tokens":500,"input_tokens_details":{"cached_tokens":200},"output_tokens":70,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":570}}"#,
            ],
        ),
        cost: Some(&[(300, 250), (200, 25), (6, 2_000), (64, 2_000), (2, 10_000_000)]),
    },
    Case {
        name: "a response, streamed",
        target: "/v1/responses",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","input":"hi","stream":true,"store":false}"#,
        reply: (
            EVENTS,
            &[
                "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_2\",\"status\":\"in_progress\",\"output\":[]}}\n\n",
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"a\"}\n\n",
                "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_2\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}],\"usage\":{\"input_tokens\":8,\"output_tokens\":1,\"total_tokens\":9}}}\n\n",
            ],
        ),
        cost: Some(&[(8, 250), (1, 2_000)]),
    },
    Case {
        name: "the tokens of a response's input, counted for nothing",
        target: "/v1/responses/input_tokens",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","input":"hi"}"#,
        reply: (JSON, &[r#"{"object":"response.input_tokens","input_tokens":8}"#]),
        cost: None,
    },
    Case {
        name: "embeddings: 0.02 dollars",
        target: "/v1/embeddings",
        headers: &[],
        body: r#"{"model":"text-embedding-3-small","input":["a","b"],"encoding_format":"base64"}"#,
        reply: (
            JSON,
            &[
                r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAA"}],"model":"text-embedding-3-small","usage":{"prompt_tokens":2,"total_tokens":2}}"#,
            ],
        ),
        cost: Some(&[(2, 20)]),
    },
    Case {
        name: "a moderation, at a price of nothing",
        target: "/v1/moderations",
        headers: &[],
        body: r#"{"model":"omni-moderation-latest","input":"hi"}"#,
        reply: (JSON, &[r#"{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":false}]}"#]),
        cost: Some(&[]),
    },
    Case {
        name: "a ranking: 0.05 dollars",
        target: "/v1/rerank",
        headers: &[],
        body: r#"{"model":"rerank-2.5","query":"q","documents":["a","b"]}"#,
        reply: (
            JSON,
            &[r#"{"object":"list","data":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":26}}"#],
        ),
        cost: Some(&[(26, 50)]),
    },
    Case {
        name: "speech: 15 dollars a million characters, of which there are four",
        target: "/v1/audio/speech",
        headers: &[],
        body: "{\"model\":\"tts-1\",\"input\":\"h\u{e9} \u{1f600}\",\"voice\":\"alloy\"}",
        reply: ("audio/mpeg", &["sound", " and more"]),
        cost: Some(&[(4, 15_000)]),
    },
];
