//! What is written for one who speaks OpenAI's chat, and what of its answers is heard: the documented shapes of OpenAI, and what
//! servers that follow it make of them.

mod hearing;
mod writing;
