"""Plain text that only points at the HTML beside it: `View this message in your browser`."""

import re

_POINTS_AT_HTML = re.compile(
    # English
    r"view (?:this |the )?(?:e-?mail |message |newsletter |it )?(?:in|with|on|as) (?:a |your |the )?"
    r"(?:(?:web ?)?browser|web ?page)"
    r"|(?:does not|doesn't|cannot|can't|can not|unable to|not) (?:support|display|show|read|view) (?:an? )?html"
    r"|html[ -](?:e-?mail|message|format|version|capable|compatible)|multi-?part message in mime format"
    r"|to view (?:this|the) (?:e-?mail|message)|view (?:the )?(?:online|web) version"
    r"|(?:read|view) (?:(?:this|it) )?online"
    r"|(?:trouble|problems|difficulty) (?:viewing|reading|seeing)"
    r"|(?:cannot|can't|can not|unable to) (?:see|view|read|display) (?:this |the |our )?(?:e-?mail|message|newsletter)"
    # Polish
    r"|(?:zobacz|wyświetl|otwórz|obejrzyj) .{0,40}(?:w|przez) przeglądar|wersj\w+ (?:online|internetow)"
    r"|(?:nie obsługuje|w formacie|format|wersj\w+) .{0,30}html|(?:program pocztowy|klient\w* poczty) .{0,10}nie "
    r"|nie wyświetla się (?:poprawnie|prawidłowo)"
    # German
    r"|(?:im|in ihrem|in einem) (?:web)?browser (?:anzeigen|ansehen|öffnen|lesen)|online-?version|webversion"
    r"|html-?(?:nachricht|e-?mail|mail|format|darstellung)|unterstützt .{0,15}kein\w* .{0,10}html"
    r"|nicht (?:richtig|korrekt|vollständig) (?:dargestellt|angezeigt)"
    r"|mail-?programm .{0,40}nicht .{0,15}(?:anzeigen|darstellen)"
    # French
    r"|(?:dans|avec) (?:votre |un |le )?navigateur|version (?:en ligne|web)|ne s'affiche pas"
    r"|ne (?:parvenez|pouvez|arrivez) pas (?:à )?(?:lire|voir|visualiser|afficher)|pas en charge .{0,15}html"
    # Spanish, Portuguese, Italian
    r"|(?:en|con|no|em) (?:su |seu |tu |el |un |o )?navega[dt]or|no se (?:ve|visualiza|muestra) (?:correctamente|bien)"
    r"|(?:supporte|soporta|admite|affiche\w*|suporta|supporta) .{0,20}html|vers(?:ión|ão|ione) (?:online|web|en línea)"
    r"|(?:não consegue|non riesci a) (?:ver|visualiz)|nel (?:tuo )?browser"
    # Dutch, Swedish, Turkish, Czech, Russian
    r"|bekijk .{0,40}(?:browser|online)|webversie|webbläsare|webbversion|tarayıcı\w* .{0,20}(?:görüntüle|aç)"
    r"|html .{0,20}desteklem|(?:v|ve) (?:\w+ )?prohlížeči|(?:открыть|посмотреть|просмотреть) .{0,30}в браузере"
    r"|не поддерживает .{0,20}html"
    # Arabic
    r"|في (?:ال)?متصفح|(?:لا|لم) (?:تظهر|ترى|يظهر|تتمكن) .{0,60}(?:الرسالة|البريد|صحيح)|لا يدعم .{0,20}html",
    re.IGNORECASE,
)
_LINK_OR_PICTURE = re.compile(
    r"(?:https?://|www\.)[^\s<>]*|\[(?:cid|image|inline image)\b[^\]\n]{0,200}\]", re.IGNORECASE
)
_MAX_STUB = 600  # characters without links: longer text is not only there to point at the HTML
_WORD = re.compile(r"\w+")
_BYTES_OF_A_FRAME = 8192  # that HTML may well have around the few words that the plain text has too
_BYTES_OF_A_CHARACTER = 16
_TIMES_MORE = 4


def is_stub(text: str) -> bool:
    """It says nothing but links, or that the message is to be looked at elsewhere."""
    said = _said(text)
    if _WORD.search(said) is None:
        return True
    return len(said) <= _MAX_STUB and _POINTS_AT_HTML.search(" ".join(said.split())) is not None


def may_be_less(text: str, html_bytes: int) -> bool:
    """So short beside HTML of that size that the letter could stand in the HTML alone: worth a look at it."""
    if html_bytes < _BYTES_OF_A_FRAME or len(text) > 4 * _MAX_STUB:
        return False
    length = len(_said(text))
    return length <= _MAX_STUB and html_bytes >= _BYTES_OF_A_FRAME + _BYTES_OF_A_CHARACTER * length


def is_far_less(text: str, rich: str) -> bool:
    """`rich` has several times the words, so that a person who sees it sees another letter."""
    return len(_WORD.findall(rich)) > _TIMES_MORE * len(_WORD.findall(_said(text)))


def _said(text: str) -> str:
    return _LINK_OR_PICTURE.sub("", text[: 4 * _MAX_STUB])
