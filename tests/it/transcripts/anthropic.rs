//! Anthropic's dialect.

use super::{Case, EVENTS, JSON, transcribe};

#[test]
fn anthropic() {
    transcribe("transcript_anthropic.txt", "anthropic", "models = [\"claude-*\"]", CASES);
}

/// `claude-sonnet-4-5`: 3 dollars a million of input, 0.3 read from the cache, 3.75 and 6 written to it for five minutes and for an
/// hour, 15 of output, a cent for a search.
pub const CASES: &[Case] = &[
    Case {
        name: "a message, with both caches and two searches",
        target: "/v1/messages?beta=true&other=1",
        headers: &[
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "interleaved-thinking-2025-05-14"),
        ],
        body: r#"{ "model": "claude-sonnet-4-5","max_tokens":2000 ,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}],"messages":[{"role":"user","content":"h\u00e9"}]}"#,
        reply: (
            JSON,
            &[
                r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":100,"cache_read_input_tokens":1000,"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":500,"ephemeral_1h_input_tokens":200},"output_tokens":40,"server_tool_use":{"web_search_requests":2}}}"#,
            ],
        ),
        cost: Some(&[(100, 3_000), (1_000, 300), (500, 3_750), (200, 6_000), (40, 15_000), (2, 10_000_000)]),
    },
    Case {
        name: "a message, streamed; its usage is cumulative",
        target: "/v1/messages",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            EVENTS,
            &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":10,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ],
        ),
        cost: Some(&[(25, 3_000), (10, 300), (15, 15_000)]),
    },
    Case {
        name: "a message, streamed; an error in the middle, behind seven letters",
        target: "/v1/messages",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        reply: (
            EVENTS,
            &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_3\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"letters\"}}\n\n",
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            ],
        ),
        // The input is the provider's figure, the output a quarter of the bytes.
        cost: Some(&[(25, 3_000), (2, 15_000)]),
    },
    Case {
        name: "the tokens of a message, counted for nothing",
        target: "/v1/messages/count_tokens?beta=true",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#,
        reply: (JSON, &[r#"{"input_tokens":8}"#]),
        cost: None,
    },
];
