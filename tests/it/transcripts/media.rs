//! Images and sound, in OpenAI's dialect.

use super::{Case, EVENTS, JSON, transcribe};

#[test]
fn media() {
    let models = "models = [\"gpt-*\", \"whisper-*\", \"grok-*\"]";
    transcribe("transcript_media.txt", "openai", models, CASES);
}

pub const CASES: &[Case] = &[
    Case {
        name: "an image by the token: 5 dollars a million of text, 32 of images made",
        target: "/v1/images/generations",
        headers: &[],
        body: r#"{"model":"gpt-image-1.5","prompt":"a h\u00e9n", "size":"1024x1024","quality":"low","n":1}"#,
        reply: (
            JSON,
            &[
                r#"{"created":1,"data":[{"b64_json":"iVBORw0KGgo="}],"usage":{"input_tokens":9,"input_tokens_details":{"text_tokens":9,"image_tokens":0},"output_tokens":272,"total_tokens":281}}"#,
            ],
        ),
        cost: Some(&[(9, 5_000), (272, 32_000)]),
    },
    Case {
        name: "two images, two cents each",
        target: "/v1/images/generations",
        headers: &[],
        body: r#"{"model":"grok-imagine-image","prompt":"a hen","n":2}"#,
        reply: (JSON, &[r#"{"created":1,"data":[{"url":"https://x/1"},{"url":"https://x/2"}]}"#]),
        cost: Some(&[(2, 20_000_000)]),
    },
    Case {
        name: "an image by its size and quality: four cents for the small one, six for others",
        target: "/v1/images/generations",
        headers: &[],
        body: r#"{"model":"grok-imagine-image-2.0","prompt":"a hen","size":"1024x1024","quality":"low"}"#,
        reply: (JSON, &[r#"{"created":1,"data":[{"url":"https://x/1"}]}"#]),
        cost: Some(&[(1, 40_000_000)]),
    },
    Case {
        name: "an image, streamed with a preview of a hundred units",
        target: "/v1/images/generations",
        headers: &[],
        body: r#"{"model":"gpt-image-1.5","prompt":"a hen","size":"1024x1024","quality":"low","stream":true,"partial_images":1}"#,
        reply: (
            EVENTS,
            &[
                "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"partial_image_index\":0,\"b64_json\":\"iVBO\"}\n\n",
                "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"iVBORw0KGgo=\",\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"text_tokens\":9,\"image_tokens\":0},\"output_tokens\":372,\"total_tokens\":381}}\n\n",
            ],
        ),
        cost: Some(&[(9, 5_000), (372, 32_000)]),
    },
    Case {
        name: "an edit, in parts: 8 dollars a million of images seen",
        target: "/v1/images/edits",
        headers: &[],
        body: "--b\r\ncontent-disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\nPNG\r\n\
            --b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\na hen\r\n\
            --b\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\n1024x1024\r\n\
            --b\r\ncontent-disposition: form-data; name=\"quality\"\r\n\r\nlow\r\n\
            --b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1.5\r\n--b--\r\n",
        reply: (
            JSON,
            &[
                r#"{"created":1,"data":[{"b64_json":"iVBORw0KGgo="}],"usage":{"input_tokens":259,"input_tokens_details":{"text_tokens":9,"image_tokens":250},"output_tokens":272,"total_tokens":531}}"#,
            ],
        ),
        cost: Some(&[(9, 5_000), (250, 8_000), (272, 32_000)]),
    },
    Case {
        name: "a transcript by the token: 2.5 dollars a million heard, 10 written",
        target: "/v1/audio/transcriptions",
        headers: &[],
        body: "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\ncontent-type: audio/mpeg\r\n\r\nMP3\r\n--b--\r\n",
        reply: (
            JSON,
            &[
                r#"{"text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":3,"total_tokens":17}}"#,
            ],
        ),
        cost: Some(&[(14, 2_500), (3, 10_000)]),
    },
    Case {
        name: "a transcript, streamed",
        target: "/v1/audio/transcriptions",
        headers: &[],
        body: "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n\
            --b\r\ncontent-disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nMP3\r\n--b--\r\n",
        reply: (
            EVENTS,
            &[
                "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hello\"}\n\n",
                "data: {\"type\":\"transcript.text.done\",\"text\":\"hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14},\"output_tokens\":3,\"total_tokens\":17}}\n\n",
            ],
        ),
        cost: Some(&[(14, 2_500), (3, 10_000)]),
    },
    Case {
        name: "a translation by the second, of which there are seven and a bit",
        target: "/v1/audio/translations",
        headers: &[],
        body: "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-large-v3\r\n\
            --b\r\ncontent-disposition: form-data; name=\"response_format\"\r\n\r\nverbose_json\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nMP3\r\n--b--\r\n",
        reply: (
            JSON,
            &[r#"{"task":"translate","language":"german","duration":7.2,"text":"hello","segments":[]}"#],
        ),
        cost: Some(&[(8, 30_830)]),
    },
    Case {
        name: "speech by the token, streamed: 0.6 dollars a million read, 12 spoken",
        target: "/v1/audio/speech",
        headers: &[],
        body: r#"{"model":"gpt-4o-mini-tts","input":"hello","voice":"alloy","stream_format":"sse"}"#,
        reply: (
            EVENTS,
            &[
                "data: {\"type\":\"speech.audio.delta\",\"audio\":\"c291bmQ=\"}\n\n",
                "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":5,\"output_tokens\":50,\"total_tokens\":55}}\n\n",
            ],
        ),
        cost: Some(&[(5, 600), (50, 12_000)]),
    },
];
