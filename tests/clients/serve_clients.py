#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""serve_clients.py PHISCOPE MODEL PICTURE: the openai package and the llm command against phiscope serve.
Prints TAP. Every answer is compared with what phiscope ask says to the same question."""
import base64
import json
import os
import subprocess
import sys
import tempfile

import openai

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, ok

phiscope, model, picture = sys.argv[1:4]
asks = ["-m", model, "--num-crops", "1", "--dtype", "f32"]


def ask(prompt, *words):
    return subprocess.run([phiscope, "ask", "--json", *asks, *words, prompt], check=True, capture_output=True,
                          text=True).stdout


def said(prompt, *words):
    return json.loads(ask(prompt, *words))["text"]


def start(*words):
    server = subprocess.Popen([phiscope, "serve", "--port", "0", "--ctx", "4096", *asks, *words], stdout=subprocess.PIPE,
                              text=True)
    return server, server.stdout.readline().strip()


def refusal(kind, name, call):
    try:
        call()
        ok(False, name)
    except kind as error:
        ok(error.body is None or "message" in error.body, f"{name}: {error}"[:120])


with open(picture, "rb") as file:
    url = "data:image/png;base64," + base64.b64encode(file.read()).decode()


def seen(text):
    return [{"role": "user", "content": [{"type": "text", "text": text},
                                         {"type": "image_url", "image_url": {"url": url}}]}]


def chat_completions(client, name):
    ask_one = ("What is it?", "-i", picture, "--max-new-tokens", "9")
    whole = client.chat.completions.create(model=name, messages=seen("What is it?"), max_tokens=9)
    ok(whole.choices[0].message.content == said(*ask_one), "chat: as ask")
    ok(whole.usage.completion_tokens == 9 and whole.choices[0].finish_reason == "length", "chat: usage and finish")
    stream = client.chat.completions.create(model=name, messages=seen("What is it?"), max_completion_tokens=9, stream=True,
                                            stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    ok(text == said(*ask_one), "chat: streamed")
    ok(chunks[-1].usage.prompt_tokens_details.cached_tokens > 0, "chat: known tokens are told")
    drawn = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Draw"}], max_tokens=20,
                                           temperature=0.9, top_p=0.8, seed=3)
    ok(drawn.choices[0].message.content == said("Draw", "--max-new-tokens", "20", "--temperature", "0.9", "--top-p", "0.8",
                                                "--seed=3"), "chat: drawn")
    told = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Sure?"}], max_tokens=5,
                                          logprobs=True, top_logprobs=2)
    tokens = told.choices[0].logprobs.content
    ok(len(tokens) == 5 and all(len(t.top_logprobs) == 2 and t.logprob <= 0 for t in tokens), "chat: log-probabilities")
    ok(b"".join(bytes(t.bytes) for t in tokens).decode() == told.choices[0].message.content, "chat: bytes of tokens")
    answer = said("Stop", "--max-new-tokens", "40")
    cut = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Stop"}], max_tokens=40,
                                         stop=[answer[10:13]])
    ok(cut.choices[0].message.content == answer[:answer.index(answer[10:13])], "chat: stop")


def conversation(client, name):
    """A second question about the picture of the first."""
    messages = [{"role": "system", "content": "Be brief."}] + seen("What is it?")
    first = client.chat.completions.create(model=name, messages=messages, max_tokens=8)
    messages += [{"role": "assistant", "content": first.choices[0].message.content},
                 {"role": "user", "content": "And why?"}]
    second = client.chat.completions.create(model=name, messages=messages, max_tokens=8)
    raw = ("<|system|>\nBe brief.<|end|>\n<|user|>\n<|image_1|>\nWhat is it?<|end|>\n<|assistant|>\n"
           f"{first.choices[0].message.content}<|end|>\n<|user|>\nAnd why?<|end|>\n<|assistant|>\n")
    ok(second.choices[0].message.content == said(raw, "--raw", "-i", picture, "--max-new-tokens", "8"),
       "chat: a conversation about a picture")


def responses(client, name):
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"},
                                          {"type": "input_image", "image_url": url, "detail": "auto"}]}]
    want = said("What is it?", "-i", picture, "--max-new-tokens", "9")
    whole = client.responses.create(model=name, input=parts, max_output_tokens=9)
    ok(whole.output_text == want and whole.status == "incomplete", "responses: as ask")
    ok(whole.incomplete_details.reason == "max_output_tokens", "responses: why it ended")
    with client.responses.stream(model=name, input=parts, max_output_tokens=9) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
    ok(text == want, "responses: streamed")
    plain = client.responses.create(model=name, input="Hello", instructions="Be brief.", max_output_tokens=6)
    ok(plain.output_text == said("Hello", "--system", "Be brief.", "--max-new-tokens", "6"), "responses: a text alone")
    refusal(openai.BadRequestError, "responses: nothing is stored",
            lambda: client.responses.create(model=name, input="x", previous_response_id="resp_1"))


def errors(client, name, base):
    def create(**more):
        return lambda: client.chat.completions.create(**{"model": name, "messages": seen("a"), **more})

    refusal(openai.NotFoundError, "another model", create(model="gpt-none"))
    refusal(openai.BadRequestError, "two answers", create(n=2))
    refusal(openai.BadRequestError, "a temperature below zero", create(temperature=-1))
    refusal(openai.BadRequestError, "a picture that is none", create(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]))
    refusal(openai.BadRequestError, "a prompt that is too long", create(
        messages=[{"role": "user", "content": "many words " * 5000}]))
    stranger = openai.OpenAI(base_url=base, api_key="wrong", max_retries=0)
    refusal(openai.AuthenticationError, "a wrong key", lambda: stranger.models.list())


def llm_command(base, name, key, folder):
    """The llm command, configured as its documentation says."""
    with open(f"{folder}/extra-openai-models.yaml", "w") as file:
        json.dump([{"model_id": "ours", "model_name": name, "api_base": base, "api_key_name": "ours", "vision": True}], file)
    environment = {**os.environ, "LLM_USER_PATH": folder}
    command = [os.path.join(os.path.dirname(sys.executable), "llm")]

    def run(*words):
        return subprocess.run([*command, *words], env=environment, capture_output=True, text=True)

    subprocess.run([*command, "keys", "set", "ours", "--value", key], env=environment, check=True, capture_output=True)
    want = said("What is it?", "-i", picture, "--max-new-tokens", "9").strip()
    for form in [], ["--no-stream"]:
        got = run("-m", "ours", "What is it?", "-a", picture, "-o", "max_tokens", "9", *form)
        ok(got.stdout.strip() == want, f"llm {' '.join(form)}: as ask{got.stderr[-200:]}")
    got = run("-c", "And why?", "-o", "max_tokens", "5")
    ok(got.returncode == 0 and got.stdout.strip() != "", f"llm: the conversation goes on{got.stderr[-200:]}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/keys", "w") as file:
            file.write("our-key\n")
        server, base = start("--api-key-file", f"{folder}/keys")
        try:
            client = openai.OpenAI(base_url=base, api_key="our-key", max_retries=0)
            name = client.models.list().data[0].id
            ok(client.models.retrieve(name).id == name, "models")
            chat_completions(client, name)
            conversation(client, name)
            responses(client, name)
            errors(client, name, base)
            llm_command(base, name, "our-key", folder)
        finally:
            server.terminate()
            ok(server.wait(60) == 0, "SIGTERM ends it")
    end()


main()
