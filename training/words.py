"""Closed word lists. Titles, names and labels in training pictures come from here; a share of
invented words (pseudo_word) keeps the reader honest: it must look at letters, not guess words."""

import zlib

TITLE_NOUNS = """Apple Anchor Arrow Autumn Bay Bell Bird Boat Book Bridge Brook Candle Castle Cave
City Clock Cloud Coast Corner Crown Dance Dawn Day Desert Door Dream Dust Earth Echo Edge Ember
Empire Evening Falcon Farm Fence Field Fire Fish Flame Flower Forest Fox Frost Garden Gate Ghost
Glass Gold Grove Harbor Hawk Heart Hill Honey Horse House Ice Island Jacket Jewel Journey Jungle
Key King Kingdom Kite Lake Lamp Lantern Leaf Letter Light Lily Lion Maze Meadow Memory Mill Mirror
Moon Morning Mountain Night North Oak Ocean Orchard Owl Paper Path Pearl Pilot Planet Pond Prince
Queen Quest Quiet Rain Raven River Road Rose Sail Salt Sand Sea Secret Shadow Ship Shore Silence
Silver Sky Smoke Snow Song South Spring Star Station Stone Storm Story Stranger Street Summer Sun
Table Thief Thunder Tide Time Tower Town Train Tree Valley Village Violin Voyage Wall Water Wave
Whale Wind Window Winter Wolf Wood World Year Zebra""".split()

TITLE_ADJECTIVES = """Alone Amber Ancient Blue Bold Bright Broken Brave Calm Clear Cold Crimson Dark
Deep Distant Empty Endless Fading Fallen Fast First Forgotten Frozen Gentle Golden Gray Great Green
Happy Hidden High Hollow Humble Last Little Lonely Long Lost Lucky New Next Noble Old Open Pale
Perfect Plain Proud Pure Quick Rare Red Rising Royal Rusty Second Secret Sharp Silent Simple Slow
Small Soft Strange Sweet Tall Third Tiny Vast Velvet Warm White Wide Wild Wise Yellow Young
Zealous""".split()

FIRST_NAMES = """Ada Alan Alice Amy Anna Arthur Ben Boris Carl Clara Cora Dana David Diana Dora
Edgar Ella Emil Emma Erik Eva Felix Fiona Frank Gina Grace Greta Hanna Harold Hazel Helen Henry Hugo
Ida Ines Iris Ivan Jack James Jane Joan John Jonas Joyce Julia Karen Kate Kurt Laura Leo Liam Linda
Lucy Luke Mara Maria Mark Martin Max Mia Milo Morgan Nina Noah Nora Olga Oliver Oscar Otto Paul Peter
Quinn Rita Robert Rosa Ruth Sam Sara Simon Sofia Tara Theo Thomas Tom Una Vera Victor Walter Wanda
William Xenia Yara Zoe""".split()

LAST_NAMES = """Abbott Adams Allen Archer Avery Bailey Baker Barnes Becker Bell Bennett Berg Blake
Bond Brooks Brown Burke Carter Chase Clark Cole Cooper Cross Dale Davis Dean Dixon Doyle Drake Dunn
Eaton Ellis Evans Faber Fisher Flynn Ford Foster Fox Frost Gale Gibson Grant Gray Green Hale Hall
Hanson Hardy Harris Hart Hayes Hill Holmes Howard Hughes Hunt Irwin Jacobs James Jensen Johnson Jones
Kane Keller Kelly Kent King Knight Lane Larsen Lee Lewis Lloyd Long Lopez Marsh Mason Maxwell Meyer
Miller Moore Morris Nash Nelson Nolan Norton Olsen Owens Page Palmer Parker Perry Pierce Porter Price
Quayle Ray Reed Reyes Rice Rivers Rogers Rose Ross Russell Sanders Scott Shaw Silva Smith Snow Stone
Sutton Taylor Thorne Turner Tyler Vance Vaughn Vega Wade Walker Ward Watson Weber Webb Wells West
White Wolfe Wood Wright York Young Zimmer""".split()

CHART_FIRST = """Acme Annual Apex Atlas Bakery Book Bus Cafe City Coffee Cotton Daily Delta Energy
Export Farm Fruit Garden Global Harbor Hotel Import Juice Lunar Market Metro Monthly Museum North
Office Orion Paper Park Phone River Rocket School Ship Shop Solar South Steel Store Sugar Summer Sun
Tea Ticket Tiger Total Train Union Vertex Water Weekly Wheat Winter Wood Zenith""".split()

CHART_LAST = """Budget Cost Count Demand Exports Fees Goals Growth Guests Imports Income Jobs Level
Loans Members Orders Output Points Price Prices Profit Rain Rate Rates Sales Score Shares Shipments
Spending Stock Stocks Stock Price Stock Value Supply Tickets Tips Trade Traffic Units Users Value Views
Visits Votes Wages Yield""".replace("Stock Price", "Stock_Price").replace("Stock Value", "Stock_Value").split()
CHART_LAST = [w.replace("_", " ") for w in CHART_LAST]

LABEL_RUNS = [  # consecutive stretches are used
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(),
    "Mon Tue Wed Thu Fri Sat Sun".split(),
    "Q1 Q2 Q3 Q4".split(),
    [str(y) for y in range(2008, 2031)],
]
LABEL_SETS = [  # any selection is used
    "North South East West".split(),
    "Tea Coffee Milk Juice Water Cocoa Soda".split(),
    "Apples Pears Plums Grapes Figs Limes Kiwis Dates".split(),
    "Bus Car Train Bike Ship Tram Taxi".split(),
    "Red Blue Green Gold Pink Gray".split(),
    "Rome Oslo Paris Lima Cairo Delhi Tokyo Quito Bern".split(),
    "Cats Dogs Fish Birds Cows Pigs Bees".split(),
    "Wood Steel Glass Paper Wool Sand Zinc".split(),
    "A B C D E F".split(),
]

TABLE_CORNERS = "Item Name Place Day Kind".split()
TABLE_HEADS = "Price Sales Cost Stock Units Score Points Rate Count Votes".split()


def part(items, test, one_in=8):
    """The items kept for tests (one in eight, by hash), or the others."""
    return [w for w in items if (zlib.crc32(w.lower().encode()) % one_in == 0) == test]


_ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr fl gr pl st tr sh th qu".split()
_VOWELS = "a e i o u ai ea oo ou y".split()
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "m", "nd", "ck", "x", "ll"]


def pseudo_word(rng, longest=9):
    """An invented word of one to three syllables, first letter in upper case."""
    word = ""
    for _ in range(rng.integers(1, 4)):
        word += _ONSETS[rng.integers(len(_ONSETS))] + _VOWELS[rng.integers(len(_VOWELS))]
        word += _CODAS[rng.integers(len(_CODAS))]
    return word[:longest].capitalize()
