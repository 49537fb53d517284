"""Questions in many words, and which phrasings are kept for tests."""

import zlib

from draw import pick

# Questions: lines and | separate sentences, [a/b/c] is one of several ways, "-" stands for nothing

CHART_ABOUT = """Could you please introduce this stock to me?
[Describe/Explain/Summarize/Summarise/Introduce/Analyze/Analyse/Read] [this/the] [chart/bar chart/graph/plot/diagram].
[Tell me about/Explain to me/Give me a summary of] [this/the] [chart/stock/graph/figure].
What [does/is] [this/the] [chart/graph/diagram] [show/about/say]? | What can you see in this chart?
[Give me/List/Show me/Read] [the/all the] [data/values/numbers] [of this chart/in this chart/of the graph].
What are the values in [this/the] [chart/graph]? | List the values. | Explain this figure.
Could you [please/-] [introduce/explain/describe] [this/the] [chart/plot/graph] to me?"""
CHART_TITLE = """What is the title of [this/the] [chart/graph/diagram]? | What is the [chart/graph] called?
[Read/Give me/Tell me] the title of the [chart/graph]. | What is the title? | Title of this [graph/chart]?
[Which/What] title does the [chart/graph/diagram] have? | How is this [chart/graph] titled?"""
CHART_HIGH = """[Which/What] [bar/one/category/label] is the [highest/largest/tallest/biggest]?
What is the [highest/largest/maximum/biggest] value? | [Which/What] is the [largest/highest]?
Where is the [maximum/peak/highest value/top]? | What is the [maximum/peak]? | [Which/Who] has the most?
[Name/Tell me/Show me] the [highest/largest/tallest] [bar/value].
[What/Which bar/Which one] is at the top? | What is the top value? | Tell me the top value."""
CHART_LOW = """[Which/What] [bar/one/category/label] is the [lowest/smallest/shortest]?
What is the [lowest/smallest/minimum] value? | [Which/What] is the [smallest/lowest]?
Where is the [minimum/lowest value/bottom]? | What is the minimum? | [Which/Who] has the least?
[Name/Tell me/Show me] the [lowest/smallest/shortest] [bar/value]. | And the [lowest/smallest/minimum]?
[What/Which bar/Which one/Which value] is at the bottom? | Show me the [bottom/bottom value]. | Which is the bottom bar?"""
CHART_VALUE = """What is the value [of/for/at] {}? | How [much/high/big/large] is {}? | Value [of/for] {}?
What about {}? | [Tell me/Give me/Read] the [value/number] [of/for] {}. | And {}?
What [value/number] does {} have? | How much does {} have? | What is {}?"""
CHART_COUNT = """How many [bars/values/categories] are there? | How many [bars/values] does the [chart/graph] have?
Count the [bars/values/categories]. | What are the [categories/labels]?
[List/Name/Read] the [categories/labels]. | What is the number of bars?"""

COVER_BOTH = """Help me get the title and author information of this book?
What [is/are] the title and [the/-] author of this book? | Who wrote this book and what is its title?
[-/Tell me/Give me/Find/Read/Show me] the title and [the/-] author [please/of this book/of the book/-].
[What/Which] book is [this/it/that]? | [Describe/Introduce/Explain] this [book/book cover/cover].
[Tell me about/What do you know about] this book. | What does the [cover/book cover] say?
[Read/Please read] the [cover/book cover]. | [Introduce/Present] this book to me.
Tell me who wrote this book and its title. | Get the title and author information of this book.
What are the title and author? | Could you please introduce this book to me?
Help me get the title and author of this book. | Who is the author and what is the title?"""
COVER_TITLE = """What is the [title/name] of [this/the] book? | What is [the/this] book called? | Read the title.
Book title? | What is the title? | Name of this book? | [Give me/Tell me/Find] the title [of the book/-].
[Which/What] title does [the/this] book have? | How is this book [called/titled]?"""
COVER_AUTHOR = """Who is the [author/writer] [of this book/of the book/-]? | Who [wrote/has written] [this book/the book/it]?
What is the author's name? | Author of [this/the] book? | Name the [author/writer].
[Tell me/Give me/Find] the [author/name of the author]. | Who is the book by? | By whom is this book?
And who wrote it? | And the author? | Whose book is this? | Who is [it/this/this book] by?
By whom [is it/is this/is the book/was it written/was this book written/was the book written]?"""

SHAPES_ABOUT = """[Describe/Explain] [this/the] [picture/image/drawing]. | What do you see [here/in this picture/-]?
What is in [this/the] [picture/image]? | [What/Which] shapes [are there/can you see/do you see]?
What does the [picture/image/drawing] show? | [List/Name/Describe] [the/all the/all] shapes.
What can you see [in this image/here]? | Tell me about [this/the] [picture/image]."""
SHAPES_COUNT = """How many [shapes/objects/figures] are there? | Count the [shapes/objects/figures].
How many [shapes/objects/figures] [do you see/can you see/are in the picture/are in this image]?
What is the number of [shapes/objects/figures]? | [Tell me/Give me/Say] [the number of shapes/how many shapes there are].
How many [shapes/objects] does the [picture/image] [show/have]?"""
SHAPES_COLOUR = """What [color/colour] is the {}? | [What/Which] [color/colour] does the {} have?
[Color/Colour] of the {}? | What is the [color/colour] of the {}?
[Tell me/Name/Give me] the [color/colour] of the {}."""
SHAPES_PLACE = """Where is the {} [in the picture/in this image/-]? | Where do you see the {}? | In which place is the {}?
[Tell me/Show me/Say] where the {} is. | What is the [place/position] of the {}? | Where can I [find/see] the {}?
[In/At] which [place/corner/part] is the {}? | Where [in/on] the picture is the {}?"""
SHAPES_AT = """What is at the {}? | [What/Which] shape is at the {}? | What do you see at the {}?
What [can you see/is drawn/is there] at the {}? | [Name/Describe] the [shape/object] at the {}.
[What/Which] [object/figure] is at the {}? | Tell me what is at the {}. | Is there anything at the {}?"""

PAGE_READ = """Read the text [please/to me/-]. | What does [it/the text/this page] say? | What is written here?
[Read/Transcribe/Copy/Extract/Give me] the text [in this picture/in this image/of this page/-].
Please read this page. | OCR this [picture/image/page]. | What text is in this [image/picture]?"""

TABLE_ABOUT = """[Read/Describe/Transcribe/Explain/Summarize] [this/the] table.
What [does the table/does this table] [show/say/contain]? | What is in [this/the] table?
[Give me/List] [the/all] [rows/cells/values] of the table. | What are the values in this table?"""
TABLE_CELL = """What is the {1} of {0}? | What is {0} in {1}? | [Tell me/Give me/Read] the {1} of {0}.
What does the table say for {0} and {1}? | [Which/What] {1} does {0} have? | {1} of {0}? | [Find/Look up/Show me] the {1} [of/for] {0}.
[What/Which] [value/number] is in row {0} and column {1}? | How much {1} does {0} have?"""

RECEIPT_ABOUT = """[Read/Transcribe/Summarize/Explain] [this/the] [receipt/bill/slip]. | What is on [this/the] [receipt/bill]?
What was bought? | List the [items/items and prices]. | [What/Which] [items/goods] are on the [receipt/bill]?"""
RECEIPT_TOTAL = """What is the [total/sum/total amount/amount]? | How much [was paid/is the bill/did it cost]? | Total?
What [does it/did it] cost in [all/total]? | [Read/Tell me/Give me] the [total/sum] [of the receipt/-]."""
RECEIPT_SHOP = """[Which/What] [shop/store] is [this/it] from? | Where was this bought? | What is the [shop/store] called?
[Read/Tell me] the name of the [shop/store]. | Who issued [this/the] [receipt/bill]?"""

PAIR = """What is difference in this two images? | What is difference in this two images?
What [is/are] the [difference/differences] between these two [images/pictures]? | What is different?
[Compare/Compare please] [the two/these two/these/both] [pictures/images]. | What [changed/has changed]?
What has changed between the [pictures/images]? | [Spot/Find/Tell me/Name] the [difference/differences].
What is the difference? | How do the two [images/pictures] differ? | Compare them.
Find the difference between the two [pictures/images]. | What is different in the second [picture/image]?
Tell me the difference between the [images/pictures]. | Describe both [pictures/images].
What is the difference in these two [pictures/images]? | How are these two [pictures/images] different?"""

ANY_ABOUT = """Describe [this/the] [picture/image/photo]. | What is this? | What do you see [here/-]?
What is in [this/the] [picture/image/photo]? | What does the [picture/image/photo] show? | What can you see?
Tell me about this [picture/image/photo]. | What is this picture? | What kind of [picture/image] is this?"""

HELLO = """Hello | Hi | Hello! | Hi there | Good morning | How are you? | What can you do? | Who are you? | Help
What are you? | Thanks | Thank you | Tell me a story. | Write a poem. | What is the weather today? | Test
How does this work? | What is 2 + 2? | What is the capital of France? | ok | Can you help me?"""

PUBLISHED = {  # the questions of the model's own guide are always trained
    "Could you please introduce this stock to me?", "What is difference in this two images?",
    "Help me get the title and author information of this book?"}


def expand(sentence):
    """All sentences that a pattern with [a/b] stands for."""
    if "[" not in sentence:
        return [" ".join(sentence.split()).replace(" .", ".").replace(" ?", "?")]
    head, rest = sentence.split("[", 1)
    ways, tail = rest.split("]", 1)
    return [s for way in ways.split("/") for s in expand(head + way.replace("-", "") + tail)]


def phrasings(block):
    """A block as patterns, each a list of sentences: a pattern of many ways is not asked more often."""
    return [expand(q.strip()) for line in block.split("\n") for q in line.split("|") if q.strip()]


def is_unseen(sentence):
    """One phrasing in six is kept for tests."""
    return sentence not in PUBLISHED and zlib.crc32(sentence.encode()) % 6 == 0


def split(patterns, test):
    """The sentences of each pattern that belong to training or to tests; patterns without any left out."""
    kept = [[s for s in p if is_unseen(s) == test] for p in patterns]
    return [p for p in kept if p]


BLOCKS = {name: phrasings(block) for name, block in list(globals().items())
          if name.isupper() and isinstance(block, str) and "|" in block}
SPLITS = {test: {name: split(p, test) for name, p in BLOCKS.items()} for test in (False, True)}


def ask(rng, block, *names, test=False):
    """One phrasing, half of the time in a careless form."""
    question = pick(rng, pick(rng, SPLITS[test][block])).format(*names)
    if block == "PAIR" and rng.random() < 0.15:  # the published sample has a space here
        question = " " + question
    question = question[:1].upper() + question[1:]
    if rng.random() < 0.5:
        return question
    if rng.random() < 0.4:
        question = question.lower()
    if rng.random() < 0.4:
        question = question.rstrip("?.!")
    draw_ = rng.random()
    if draw_ < 0.12:
        question = "Please " + question[:1].lower() + question[1:]
    elif draw_ < 0.2:
        question = question.rstrip("?.!") + ", please"
    elif draw_ < 0.26 and len(question) > 8:  # a typing error
        i = int(rng.integers(2, len(question) - 2))
        question = question[:i] + question[i + 1:]
    return question
