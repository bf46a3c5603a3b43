//! What a start says on standard output: the admin key, once, and where the server listens. A closed pipe is no reason to
//! stop.

use std::io::{self, Write};

use crate::tokens::Key;

/// Prints the block of a first start, if there is a key to show.
pub fn show_key(key: Option<&Key>, url: &str) {
    if let Some(key) = key {
        print(&block(key, url));
    }
}

/// Prints the line that says where the server listens.
pub fn show_address(url: &str) {
    print(&format!("listening on {url}\n"));
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        log::warn!("standard output is closed; a lost admin key is replaced by `tollgate admin-key`");
    }
}

fn block(key: &Key, url: &str) -> String {
    let key = key.reveal();
    let rule = "=".repeat(80);
    format!(
        "{rule}
  tollgate: first start. The admin key, shown this once and stored nowhere:

  ADMIN_KEY=sk-{key}

  Paste that line into a shell, and then these three: make a token worth 1 dollar
  (200 credits), ask the built-in demo model with it, see what that cost.

  KEY=sk-$(curl -s {url}/v1/tokens -H \"Authorization: Bearer $ADMIN_KEY\" \\
    -H 'Content-Type: application/json' -d '{{\"name\":\"first\",\"remain_credits\":200}}' \\
    | sed -n 's/.*\"key\":\"\\([0-9A-Za-z]*\\)\".*/\\1/p')

  curl {url}/v1/chat/completions -H \"Authorization: Bearer $KEY\" \\
    -H 'Content-Type: application/json' \\
    -d '{{\"model\":\"demo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'

  curl {url}/v1/balance -H \"Authorization: Bearer $KEY\"
{rule}
"
    )
}
