//! Clients of one dialect at a provider of another.

use super::{Case, EVENTS, JSON, transcribe};

#[test]
fn to_anthropic() {
    transcribe("transcript_to_anthropic.txt", "anthropic", "models = [\"claude-*\"]", TO_ANTHROPIC);
}

#[test]
fn to_gemini() {
    transcribe("transcript_to_gemini.txt", "gemini", "models = [\"gemini-*\"]", TO_GEMINI);
}

#[test]
fn to_openai() {
    transcribe("transcript_to_openai.txt", "openai", "models = [\"gpt-*\"]\nresponses = \"chat\"", TO_OPENAI);
}

/// `claude-sonnet-4-5`: 3 dollars a million of input, 0.3 of it from the cache, 15 of output.
const TO_ANTHROPIC: &[Case] = &[
    Case {
        name: "a chat with a picture and a schema",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","max_completion_tokens":50,"temperature":0.50,"stop":"END","user":"u1","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}],"response_format":{"type":"json_schema","json_schema":{"name":"thing","strict":true,"schema":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["z"],"additionalProperties":false}}}}"#,
        reply: (
            JSON,
            &[
                r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"{\"z\":\"hen\"}"}],"stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":9}}"#,
            ],
        ),
        cost: Some(&[(100, 3_000), (1_000, 300), (9, 15_000)]),
    },
    Case {
        name: "a chat with tools, streamed",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","stream":true,"stream_options":{"include_usage":true},"tools":[{"type":"function","function":{"name":"weather","description":"of a town","parameters":{"type":"object","properties":{"town":{"type":"string"}}}}}],"tool_choice":"required","messages":[{"role":"user","content":"Oslo?"}]}"#,
        reply: (
            EVENTS,
            &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"usage\":{\"input_tokens\":40,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"weather\",\"input\":{}}}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"town\\\":\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"Oslo\\\"}\"}}\n\n",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ],
        ),
        cost: Some(&[(40, 3_000), (20, 15_000)]),
    },
    Case {
        name: "a response, streamed, that breaks off with an error",
        target: "/v1/responses",
        headers: &[],
        body: r#"{"model":"claude-sonnet-4-5","stream":true,"max_output_tokens":50,"instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}"#,
        reply: (
            EVENTS,
            &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_3\",\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"letters\"}}\n\n",
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            ],
        ),
        cost: Some(&[(25, 3_000), (2, 15_000)]),
    },
];

/// `gemini-2.5-flash`: 0.3 dollars a million of input, 0.03 of it from the cache, 2.5 of output and of thoughts.
const TO_GEMINI: &[Case] = &[
    Case {
        name: "a chat that thinks, streamed",
        target: "/v1/chat/completions",
        headers: &[],
        body: r#"{"model":"gemini-2.5-flash","stream":true,"reasoning_effort":"low","max_tokens":4000,"seed":7,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":6,\"thoughtsTokenCount\":12,\"totalTokenCount\":18},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r1\"}\r\n\r\n",
                "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hello\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":6,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":12,\"totalTokenCount\":19},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r1\"}\r\n\r\n",
            ],
        ),
        cost: Some(&[(6, 300), (1, 2_500), (12, 2_500)]),
    },
    Case {
        name: "messages with what a tool gave",
        target: "/v1/messages",
        headers: &[("anthropic-version", "2023-06-01"), ("anthropic-beta", "x-1")],
        body: r#"{"model":"gemini-2.5-flash","max_tokens":100,"top_k":5,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"tools":[{"name":"weather","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Oslo?"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"weather","input":{"town":"Oslo"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"-3"}]}]}"#,
        reply: (
            JSON,
            &[
                r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Cold."}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":60,"cachedContentTokenCount":50,"candidatesTokenCount":2,"totalTokenCount":62},"modelVersion":"gemini-2.5-flash","responseId":"r2"}"#,
            ],
        ),
        cost: Some(&[(10, 300), (50, 30), (2, 2_500)]),
    },
];

/// `gpt-5-mini`: 0.25 dollars a million of input, 0.025 of it from the cache, 2 of output and of reasoning.
const TO_OPENAI: &[Case] = &[
    Case {
        name: "messages, streamed, with two calls at once",
        target: "/v1/messages",
        headers: &[("anthropic-version", "2023-06-01")],
        body: r#"{"model":"gpt-5-mini","max_tokens":100,"stream":true,"system":"Be brief.","tools":[{"name":"weather","description":"of a town","input_schema":{"type":"object","properties":{"town":{"type":"string"}}}}],"messages":[{"role":"user","content":"Oslo and Rome?"}]}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Both.\"}}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"town\\\":\"}},{\"index\":1,\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]}}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"town\\\":\\\"Rome\\\"}\"}},{\"index\":0,\"function\":{\"arguments\":\"\\\"Oslo\\\"}\"}}]}}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":80,\"completion_tokens\":30,\"total_tokens\":110,\"prompt_tokens_details\":{\"cached_tokens\":64}}}\n\ndata: [DONE]\n\n",
            ],
        ),
        cost: Some(&[(16, 250), (64, 25), (30, 2_000)]),
    },
    Case {
        name: "a response of a server that knows chats alone",
        target: "/v1/responses",
        headers: &[],
        body: r#"{"model":"gpt-5-mini","instructions":"Be brief.","input":"hi","store":true,"reasoning":{"effort":"low"},"text":{"format":{"type":"json_object"}},"max_output_tokens":60}"#,
        reply: (
            JSON,
            &[
                r#"{"id":"chatcmpl-2","object":"chat.completion","model":"gpt-5-mini","choices":[{"index":0,"message":{"role":"assistant","content":"{}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":40,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":38}}}"#,
            ],
        ),
        cost: Some(&[(20, 250), (2, 2_000), (38, 2_000)]),
    },
];
