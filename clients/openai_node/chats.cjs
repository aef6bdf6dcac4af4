// OpenAI's Node SDK against an address; prints what it saw as one JSON object.
// usage: chats.cjs BASE_URL MODEL runs | chats.cjs BASE_URL MODEL tools | chats.cjs BASE_URL MODEL broken FAULT...
"use strict";
const OpenAI = require("openai");

const [base, model, what, ...faults] = process.argv.slice(2);
const RUNS = 8;
const sent = [];
const client = new OpenAI({
  baseURL: `${base}/v1`,
  apiKey: "none",
  timeout: 60_000,
  fetch: (url, options) => {
    sent.push(String(url));
    return fetch(url, options);
  },
});
const ask = (text) => ({ model, max_tokens: 16, messages: [{ role: "user", content: text }] });
const streamed = (text) => ({ ...ask(text), stream: true, stream_options: { include_usage: true } });
const route = (response) => ({
  pool: response.headers.get("x-infini-pool"),
  instance: response.headers.get("x-infini-instance"),
  request_id: response.headers.get("x-request-id"),
});

async function plain(text) {
  const { data, response } = await client.chat.completions.create(ask(text)).withResponse();
  const choice = data.choices[0];
  return { text: choice.message.content, finish: choice.finish_reason, tokens: data.usage.completion_tokens, ...route(response) };
}

async function stream(text) {
  const { data, response } = await client.chat.completions.create(streamed(text)).withResponse();
  const seen = { text: "", finish: null, tokens: 0, usages: 0, chunks: 0 };
  for await (const chunk of data) {
    seen.chunks++;
    if (chunk.choices.length > 0) {
      seen.text += chunk.choices[0].delta.content ?? "";
      seen.finish = chunk.choices[0].finish_reason ?? seen.finish;
    }
    if (chunk.usage) {
      seen.usages++;
      seen.tokens = chunk.usage.completion_tokens;
    }
  }
  return { ...seen, ...route(response) };
}

const described = (e) => ({ name: e.constructor.name, status: e.status ?? null, code: e.code ?? null, type: e.type ?? null, message: String(e.message), request_id: e.requestID ?? null });

async function refused() {
  const before = sent.length;
  try {
    await client.chat.completions.create({ ...ask("Hello"), model: "no-such-model" });
    return null;
  } catch (e) {
    return { ...described(e), attempts: sent.length - before };
  }
}

async function runs() {
  const texts = Array.from({ length: RUNS }, (_, i) => `Tell me about number ${i}.`);
  const models = [];
  for await (const m of client.models.list()) models.push(m.id);
  return {
    models,
    plain: await Promise.all(texts.map(plain)),
    streamed: await Promise.all(texts.map(stream)),
    large: await stream("The old tram stops at the harbour. ".repeat(1700)),
    refused: await refused(),
  };
}

async function broken(fault) {
  let text = "";
  try {
    const answer = await client.chat.completions.create(streamed("Hello"), {
      headers: { "x-simulate-fault": fault },
      maxRetries: 0,
    });
    for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? "";
    return { text, error: null };
  } catch (e) {
    return { text, error: described(e) };
  }
}

// The SDK's runner of tools: the model must call this one, which ends the run once its result is there.
async function tools(stream) {
  const calls = [];
  const results = [];
  const runner = client.chat.completions.runTools({
    ...ask("How warm is it in Oslo?"),
    max_tokens: 200,
    stream,
    tool_choice: { type: "function", function: { name: "get_weather" } },
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          parse: JSON.parse,
          parameters: {
            type: "object",
            properties: { city: { type: "string", maxLength: 12 }, unit: { enum: ["C", "F"] } },
            required: ["city", "unit"],
          },
          function: (given) => {
            calls.push(given);
            return `12 ${given.unit} in ${given.city}`;
          },
        },
      },
    ],
  });
  runner.on("functionToolCallResult", (result) => results.push(result));
  await runner.done();
  return { calls, results, roles: runner.messages.map((m) => m.role) };
}

async function main() {
  if (what === "runs") return runs();
  if (what === "tools") return { plain: await tools(false), streamed: await tools(true) };
  const seen = {};
  for (const fault of faults) seen[fault] = await broken(fault);
  return seen;
}
main().then(
  (seen) => console.log(JSON.stringify(seen)),
  (e) => {
    console.error(e);
    process.exitCode = 1;
  },
);
