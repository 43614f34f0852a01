"""The list on paper: what is on it, in which language, for whom, and that nothing in it runs."""

from html.parser import HTMLParser
from typing import Any

from sqlalchemy import func, select, update

from app.models import CardView, Role
from app.models.call_lists import CallListEntry
from tests.api.call_lists.work_support import make_book, make_list
from tests.api.customers.support import refusal
from tests.factories import make_customer
from tests.support import Served, SignedIn, SignIn

EVIL = "<script>alert(1)</script>鲁"


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_list_is_printed(app_server: Served, manager: SignedIn, signed_in: SignIn) -> None:
    async with app_server.database.session_scope() as session:
        customers = [
            await make_customer(session, "13800138000", name=EVIL, title="博士", sales_stage=4, intention="good"),
            *await make_book(session, manager.agent, 2, tier="core"),
        ]
        made = await make_list(session, manager.agent, customers)
        await session.execute(
            update(CallListEntry)
            .where(CallListEntry.customer_id == customers[1].id)
            .values(state="skipped", skip_reason="<b>昨天谈过</b>")
        )
    path = f"/api/v1/call-lists/{made.id}/print"

    answer = await manager.http.get(path)

    page = Page(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert set(page.tags) <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td",
        "b", "br", "span", "ul", "li", "div",
    }  # fmt: skip
    assert page.attributes <= {"lang", "charset", "name", "content", "class"}, "no handler, no address, no inline style"
    assert page.tags.count("style") == 1
    assert EVIL in page.text
    assert "已跳过: <b>昨天谈过</b>" in page.text
    for told in (
        "每日名单",
        "林经理",
        customers[2].code,
        "138 0013 8000",
        "已有 24 个工作日未联系",
        "倾向我方",
        "黄金时段",
    ):
        assert told in page.text
    assert page.tags.count("td") == 3 * 7

    english = Page((await manager.http.get(path, params={"language": "en"})).text).text
    for told in ("Daily list", "not called for 24 working days", "leans to us", "golden hours", "wrong number"):
        assert told in english

    analyst = await signed_in(Role.ANALYST)
    masked = Page((await analyst.http.get(path)).text).text
    assert "138 0013 8000" not in masked
    stranger = await signed_in(Role.ACCOUNT_MANAGER)
    assert refusal(await stranger.http.get(path)) == (403, "not_your_list")
    async with app_server.database.session_scope() as session:
        looks = await session.scalar(
            select(func.count()).where(CardView.customer_id == customers[0].id, CardView.looked_at == "export")
        )
    assert looks == 3, "each look is written down"
