"""The words by which mail programs of many languages mark what is not their writer's own text.

All are casefolded. Gathered from mails that people sent, and from what mail programs write.
"""

from typing import Final


def _words(single: str, *several: str) -> frozenset[str]:
    return frozenset((*single.split(), *several))


WROTE: Final = _words(
    """
    wrote writes schrieb schreibt geschrieben écrit ecrit escribió escribio escribe escriure
    escreveu escreve scritto scrive scris scrisse schreef geschreven skrev skriver skrifaði
    kirjoitti kirjutas írta yazdı yazmış napisał napisała pisze napsal napsala napísal napísala
    napisao napisala napisal piše rašė rakstīja написа написал писал написала писала пишет пише
    написав έγραψε כתב כתבה كتب نوشت viết menulis skribis
    """
)
"""What stands alone in "On Monday Anna wrote:"."""
WROTE_UNSPACED: Final = ("写道", "寫道", "写到", "书写", "書きました", "작성", "씀", "เขียนว่า")
"""The same in languages that do not part their words."""

MARKERS: Final = frozenset(
    {
        "original message", "forwarded message", "reply message", "original appointment",
        "ursprüngliche nachricht", "originalnachricht", "original-nachricht",
        "weitergeleitete nachricht", "message d'origine", "message original",
        "message d’origine", "message transféré", "message initial", "mensaje original",
        "mensaje reenviado", "missatge original", "mensagem original", "mensagem encaminhada",
        "messaggio originale", "messaggio inoltrato", "messaggio originario",
        "oorspronkelijk bericht", "origineel bericht", "doorgestuurd bericht",
        "ursprungligt meddelande", "originalmeddelande", "vidarebefordrat meddelande",
        "oprindelig meddelelse", "original meddelelse", "videresendt meddelelse",
        "opprinnelig melding", "videresendt melding", "alkuperäinen viesti", "välitetty viesti",
        "wiadomość oryginalna", "oryginalna wiadomość", "wiadomość przekazana",
        "původní zpráva", "přeposlaná zpráva", "pôvodná správa", "preposlaná správa",
        "eredeti üzenet", "továbbított üzenet", "mesaj original", "mesajul original",
        "özgün ileti", "orijinal mesaj", "iletilen mesaj", "исходное сообщение",
        "оригинальное сообщение", "пересылаемое сообщение", "пересланное сообщение",
        "вихідне повідомлення", "оригінальне повідомлення", "переслане повідомлення",
        "оригинално съобщение", "αρχικό μήνυμα", "προωθημένο μήνυμα", "izvorna poruka",
        "izvirno sporočilo", "originalna poruka", "הודעה מקורית", "הודעה שהועברה",
        "الرسالة الأصلية", "رسالة معاد توجيهها", "thư gốc", "pesan asli", "原始邮件",
        "原始郵件", "邮件原件", "转发邮件", "轉寄郵件", "转发的邮件", "元のメッセージ",
        "転送メッセージ", "원본 메시지", "begin forwarded message",
        "anfang der weitergeleiteten nachricht", "début du message réexpédié",
        "inicio del mensaje reenviado", "inizio messaggio inoltrato",
        "início da mensagem encaminhada", "begin doorgestuurd bericht", "vidarebefordrat brev",
        "начало переадресованного сообщения",
    }
)  # fmt: skip
"""What stands between dashes above a mail that follows whole."""

FROM: Final = _words(
    """
    from von de da van från fra lähettäjä od nadawca feladó kimden kimdan gönderen от від από
    מאת من expéditeur remitente mittente afzender avsändare 发件人 寄件者 寄件人 差出人 보낸사람
    보낸이 từ dari absender
    """,
    "보낸 사람",
    "de la",
    "от кого",
)
SUBJECT: Final = _words(
    """
    subject betreff objet asunto assunto oggetto onderwerp ämne emne aihe otsikko temat předmět
    predmet tárgy subiect konu тема θέμα נושא الموضوع موضوع 主题 主題 主旨 件名 제목 assumpte
    teema ärende
    """,
    "chủ đề",
)
DATE: Final = _words(
    """
    date sent datum gesendet envoyé fecha enviado enviada data inviato verzonden skickat sendt
    dato lähetetty päivämäärä wysłano odesláno odoslané dátum elküldve küldve trimis tarih
    gönderildi gönderilme отправлено дата надіслано στάλθηκε ημερομηνία תאריך נשלח التاريخ تاريخ
    发送时间 日期 寄件日期 日時 送信日時 날짜 ngày tanggal poslano
    """,
    "보낸 날짜",
    "sent at",
    "gesendet am",
    "envoyé le",
    "enviado el",
    "enviado em",
)
OTHER_HEADERS: Final = _words(
    """
    a to cc bcc reply-to an kopie kopi à para pour aan til till vastaanottaja do dla komu
    címzett către kime alıcı кому копия копія προς κοινοποίηση אל إلى 收件人 抄送 副本 宛先
    받는사람 참조 cco copie copia antwort-an risposta rispondi importance wichtigkeit priority
    priorität attachments anlagen organization nach đến kepada per kopia dw udw
    """,
    "받는 사람",
    "reply to",
    "antwort an",
    "répondre à",
    "responder a",
)

SENT_FROM: Final = (
    "sent from", "sent via", "sent with", "sent by", "sent using", "sent on the go",
    "get outlook", "get [outlook", "from my iphone", "from my ipad", "from my android",
    "from my mobile", "envoyé depuis", "envoyé de mon", "envoyé à partir de", "envoyé avec",
    "obtenir outlook", "téléchargez outlook", "enviado desde", "enviado do", "enviado de",
    "enviado a partir d", "enviado com", "obtener outlook", "obter o outlook", "inviato da",
    "inviato con", "ottieni outlook", "von meinem", "gesendet von", "gesendet mit",
    "gesendet über", "von unterwegs gesendet", "diese nachricht wurde von",
    "diese e-mail wurde von", "outlook für android", "outlook für ios",
    "holen sie sich outlook", "verzonden vanaf", "verzonden met", "verstuurd vanaf",
    "verstuurd met", "outlook voor", "skickat från", "skickades från", "sendt fra", "sendt med",
    "lähetetty", "wysłane z", "wysłano z", "odesláno z", "odoslané z", "küldve",
    "iphone-ról küldve", "trimis de pe", "trimis din", "отправлено с", "отправлено из",
    "надіслано з", "στάλθηκε από", "enviat des", "poslano z", "poslano sa", "從我的", "从我的",
    "发自我的", "發自我的", "發送自", "发送自", "나의 iphone", "내 iphone",
)  # fmt: skip
"""What a telephone writes under a mail begins with one of these…"""
SENT_FROM_ENDS: Final = (
    " from mobile", " from my phone", "から送信", "에서 보냄", "'dan gönderildi",
    "'umdan gönderildi", "'imden gönderildi", " gesendet.", " gesendet",
)  # fmt: skip
"""…or ends with one of these."""
