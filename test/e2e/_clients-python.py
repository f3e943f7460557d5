"""Asks an Ollama with its Python client; prints what came as one JSON object.   _clients-python.py URL MODEL TOOL_MODEL"""

import json
import sys

import ollama

url, model, handy = sys.argv[1:4]
client = ollama.Client(host=url)
options = {"num_predict": 6, "temperature": 0, "seed": 1}
messages = [{"role": "user", "content": "Say hello."}]
tool = {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}}
call = {
    "type": "object",
    "properties": {"name": {"enum": ["now"]}, "arguments": {"type": "object", "properties": {}, "additionalProperties": False}},
    "required": ["name", "arguments"],
}


def refusal(ask):
    try:
        return {"answer": ask().model_dump()}
    except ollama.ResponseError as error:
        return {"status": error.status_code, "error": error.error}


def asynchronous():
    import asyncio

    async def ask():
        return [part.message.content async for part in await ollama.AsyncClient(host=url).chat(model, messages, stream=True, options=options)]

    return asyncio.run(ask())


said = {
    "chat": client.chat(model, messages, options=options).model_dump(),
    "stream": [part.model_dump() for part in client.chat(model, messages, stream=True, options=options)],
    "asynchronous": asynchronous(),
    "generate": client.generate(model, "Say hello.", options=options).model_dump(),
    "embed": client.embed(model, ["one", "two"]).model_dump(),
    "list": client.list().model_dump(mode="json"),
    "ps": client.ps().model_dump(mode="json"),
    "show": client.show(model).details.model_dump(),
    "tools": client.chat(handy, messages, tools=[tool], format=call, options={**options, "num_predict": 40}).model_dump(),
    "no tools": refusal(lambda: client.chat(model, messages, tools=[tool])),
    "nobody": refusal(lambda: client.chat("nobody-has-this", messages)),
}
print(json.dumps(said))
sys.stdout.flush()

# Leaving in mid-stream, when told to, and staying: it is not the process's end that Ollama is to notice.
sys.stdin.readline()
story = [{"role": "user", "content": "Tell me a long story about a boat."}]
for part in client.chat(model, story, stream=True, options={**options, "num_predict": 400}):
    break
print("left", flush=True)
sys.stdin.readline()
