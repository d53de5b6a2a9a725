"""The vocabulary of the `jd_card` scenario. Every attribute word has a latent embedding, drawn with the world."""

from __future__ import annotations

CATEGORIES = (
    "backpack",
    "kettle",
    "headphones",
    "desk lamp",
    "running shoes",
    "water bottle",
    "sofa",
    "camera",
    "blanket",
    "suitcase",
)

BRANDS = (
    "Nordvik",
    "Halden",
    "Orimo",
    "Castella",
    "Pinefield",
    "Lumina",
    "Tavora",
    "Kestrel",
    "Maru",
    "Bellweather",
    "Sondrio",
    "Yarrow",
    "Quillon",
    "Veda",
    "Arbor",
    "Teklan",
)

ATTRIBUTES = (
    "lightweight",
    "waterproof",
    "quiet",
    "long-lasting",
    "foldable",
    "handmade",
    "compact",
    "breathable",
    "shockproof",
    "energy-saving",
    "rust-free",
    "easy-clean",
    "soft-touch",
    "non-slip",
    "scratch-proof",
    "recycled",
    "vintage",
    "minimal",
    "elegant",
    "playful",
    "rugged",
    "premium",
    "affordable",
    "family-size",
    "travel-ready",
    "gift-ready",
    "child-safe",
    "one-touch",
    "smart",
    "sturdy",
    "silky",
    "glossy",
    "matte",
    "bold",
    "natural",
    "colourful",
    "modular",
    "slim",
    "repairable",
    "allergy-tested",
)

HIGHLIGHT_PHRASES = (
    "{0} and {1}",
    "{0}, yet {1}",
    "{0} as well as {1}",
    "{0}, {1}, ready to use",
    "{0} and {1} every day",
)

TAGS = (
    "Bestseller",
    "New arrival",
    "Limited offer",
    "Free returns",
    "Two-year warranty",
    "Greener choice",
    "Staff pick",
    "Members' price",
    "Ships today",
    "Top rated",
)

COLOURS = {
    "red": (206, 58, 52),
    "orange": (232, 133, 42),
    "yellow": (235, 200, 60),
    "green": (70, 150, 84),
    "teal": (38, 150, 150),
    "blue": (54, 104, 190),
    "purple": (122, 76, 168),
    "pink": (226, 130, 164),
    "black": (48, 50, 56),
    "cream": (222, 208, 176),
}

BACKDROPS = {
    "studio": (244, 244, 246),
    "wood": (196, 160, 118),
    "sky": (188, 216, 240),
    "forest": (156, 186, 150),
    "sunset": (246, 196, 160),
    "night": (70, 74, 100),
}

LAYOUTS = ("centred", "close-up", "pair", "tilted", "low corner")
