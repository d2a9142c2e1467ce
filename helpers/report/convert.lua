-- Reads a request as JSON, answers with JSON: many small conversions in one process of pandoc.
--   {"action": "read",  "items": [[text, "markdown" or "html"], ...]}      -> [document, ...]
--   {"action": "write", "items": [document as JSON, ...], "to": ...}       -> [text, ...]
--   {"action": "maths", "items": [[tex, displayed], ...], "to": ...}       -> [[text, reason], ...]
local forms = {
  markdown = "commonmark+tex_math_dollars+pipe_tables+strikeout+smart+raw_html+gfm_auto_identifiers",
  html = "html+tex_math_dollars",
}
local request = pandoc.json.decode(io.read("a"), false)
local actions, answers = {}, {}

function actions.read()
  for index, text in ipairs(request.items) do
    answers[index] = pandoc.write(pandoc.read(text[1], forms[text[2]]), "json")
  end
  print("[" .. table.concat(answers, ",") .. "]")
end

function actions.write()
  for index, document in ipairs(request.items) do
    local options = { wrap_text = "wrap-none" }
    answers[index] = pandoc.write(pandoc.read(document, "json"), request.to, options)
  end
  print(pandoc.json.encode(pandoc.List(answers)))
end

function actions.maths()
  for index, formula in ipairs(request.items) do
    local math = pandoc.Math(formula[2] and "DisplayMath" or "InlineMath", formula[1])
    local document = pandoc.Pandoc({ pandoc.Plain({ math }) })
    local messages, text = pandoc.log.silence(function()
      return pandoc.write(document, request.to, { html_math_method = "mathml", wrap_text = "wrap-none" })
    end)
    local reasons = pandoc.List(messages):map(function(message) return message.message or tostring(message) end)
    answers[index] = pandoc.List({ text, table.concat(reasons, "\n") })
  end
  print(pandoc.json.encode(pandoc.List(answers)))
end

actions[request.action]()
