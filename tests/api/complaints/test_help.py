"""The agent's help: the answer base, phrases, and the tree of categories."""

import pytest

from tests.api.complaints.support import RESOLVED, URL, Desks, act, answered
from tests.api.customers.support import refusal

ARTICLES = "/api/v1/articles"


@pytest.mark.parametrize(
    "q",
    ["空调不启动", "三台空调几个月没用了开不了机", "remote control does not start", "REMOTE controls"],
)
async def test_what_is_typed_finds_the_answer(desks: Desks, q: str) -> None:
    found = answered(await desks.lily.http.get(f"{ARTICLES}/suggest", params={"q": q}))["items"]

    assert found[0]["article"]["title"]["en"] == "Air conditioner unused for long: reset the remote control"
    assert found[0]["score"] > 0


async def test_what_has_nothing_in_common_finds_nothing(desks: Desks) -> None:
    for q in ("", "发票", "zzz", "%_'\\"):
        assert answered(await desks.lily.http.get(f"{ARTICLES}/suggest", params={"q": q}))["items"] == []


async def test_an_answer_is_suggested_applied_and_counted_once(desks: Desks) -> None:
    made = await desks.complaint(desks.lily, category="product.not_starting", what_happened="开不了机", product="空调")
    suggested = answered(await desks.lily.http.get(f"{URL}/{made['code']}/suggestions"))["items"]
    article = suggested[0]["article"]
    assert "product.not_starting" in article["categories"]
    # By category and product alone it is found too.
    by_name = answered(await desks.lily.http.get(f"{ARTICLES}/suggest", params={"product": "空调"}))["items"]
    assert by_name[0]["article"]["id"] == article["id"]

    for _ in range(2):
        applied = answered(await act(desks.lily, made, "apply-article", article_id=article["id"]))
        assert "重置遥控器" in applied["resolution"]
        assert "按住复位键五秒" in applied["resolution"]
    assert answered(await desks.lily.http.get(f"{ARTICLES}/{article['id']}"))["solved_count"] == 0
    cause = {"root_cause": "久未使用", "prevention": "提醒"}
    resolved = answered(await act(desks.lily, made, "resolve", **cause))
    assert resolved["resolution"] == applied["resolution"]
    assert resolved["article"]["id"] == article["id"]
    for what, given in (("close", {}), ("reopen", {"reason": "x"}), ("resolve", RESOLVED)):
        answered(await act(desks.lily, made, what, **given))
    assert answered(await desks.lily.http.get(f"{ARTICLES}/{article['id']}"))["solved_count"] == 1
    assert refusal(await act(desks.lily, made, "apply-article", article_id=article["id"])) == (
        409,
        "wrong_complaint_state",
    )


async def test_supervisors_write_the_answers(desks: Desks) -> None:
    given = {
        "title_zh": "冰箱漏水：清洁排水孔",
        "steps_zh": "1. 断电。\n2. 疏通排水孔。",
        "categories": ["product.leak"],
    }
    assert refusal(await desks.lily.http.post(ARTICLES, json=given)) == (403, "scope_missing")
    for wrong in ({**given, "steps_zh": ""}, {"steps_zh": "x"}):
        assert refusal(await desks.boss.http.post(ARTICLES, json=wrong)) == (422, "invalid")
    unknown = await desks.boss.http.post(ARTICLES, json={**given, "categories": ["nonsense"]})
    assert refusal(unknown) == (422, "unknown_category")

    made = answered(await desks.boss.http.post(ARTICLES, json=given), 201)

    path = f"{ARTICLES}/{made['id']}"
    params = {"q": "冰箱下面漏水"}
    found = answered(await desks.lily.http.get(f"{ARTICLES}/suggest", params=params))["items"]
    assert found[0]["article"]["id"] == made["id"]
    retired = answered(await desks.boss.http.put(path, json={**given, "active": False}))
    assert retired["categories"] == ["product.leak"]
    assert made["id"] not in str(answered(await desks.lily.http.get(f"{ARTICLES}/suggest", params=params)))
    assert made["id"] not in str(answered(await desks.lily.http.get(ARTICLES)))
    assert made["id"] in str(answered(await desks.lily.http.get(ARTICLES, params={"all": True})))
    complaint = await desks.complaint(desks.lily)
    assert refusal(await act(desks.lily, complaint, "apply-article", article_id=made["id"])) == (404, "no_such_article")


async def test_phrases_come_in_the_order_in_which_they_are_said(desks: Desks) -> None:
    path = f"/api/v1/queues/{desks.queue.key}/phrases"
    phrases = answered(await desks.lily.http.get(path))["items"]
    order = ["opening", "apology", "listen", "explain", "avoid"]
    assert [kind for kind in order if kind in {phrase["kind"] for phrase in phrases}] == order
    kinds = [order.index(phrase["kind"]) for phrase in phrases]
    assert kinds == sorted(kinds)
    assert all(phrase["instead"]["zh"] for phrase in phrases if phrase["kind"] == "avoid")

    own = {"kind": "apology", "text_zh": "实在对不起", "text_en": "I am truly sorry"}
    assert refusal(await desks.lily.http.post(path, json=own)) == (403, "scope_missing")
    made = answered(await desks.boss.http.post(path, json=own), 201)

    apologies = [
        phrase["text"]["zh"]
        for phrase in answered(await desks.lily.http.get(path))["items"]
        if phrase["kind"] == "apology"
    ]
    assert apologies == ["实在对不起"]
    call_id = await desks.call(await desks.customer(), desks.lily)
    given = {"category": "other", "what_happened": "x"}
    complaint = answered(await desks.lily.http.post(f"/api/v1/calls/{call_id}/complaint", json=given), 201)
    assert "实在对不起" in str(complaint["phrases"])
    assert (await desks.boss.http.delete(f"/api/v1/phrases/{made['id']}")).status_code == 204
    assert refusal(await desks.boss.http.delete(f"/api/v1/phrases/{made['id']}")) == (404, "no_such_phrase")
    assert answered(await desks.lily.http.get(path))["items"] == phrases


async def test_the_tree_of_categories_is_edited(desks: Desks) -> None:
    path = "/api/v1/complaint-categories"
    given = {"key": "product.smell", "parent": "product", "name_zh": "异味", "name_en": "Smells"}
    assert refusal(await desks.lily.http.post(path, json=given)) == (403, "scope_missing")
    answered(await desks.boss.http.post(path, json=given), 201)
    assert refusal(await desks.boss.http.post(path, json=given)) == (409, "name_taken")
    tree = [(each["key"], each["parent"]) for each in answered(await desks.lily.http.get(path))["items"]]
    assert tree.index(("product", None)) < tree.index(("product.smell", "product")) < tree.index(("delivery", None))

    patch = desks.boss.http.patch
    assert refusal(await patch(f"{path}/product", json={"parent": "product.smell"})) == (409, "category_under_itself")
    assert refusal(await patch(f"{path}/nonsense", json={"active": False})) == (404, "no_such_category")
    retired = answered(await patch(f"{path}/product.smell", json={"active": False, "parent": None}))
    assert (retired["active"], retired["parent"]) == (False, None)
    lu = await desks.customer()
    body = {"customer": lu.code, "category": "product.smell", "what_happened": "x"}
    assert refusal(await desks.lily.http.post(URL, json=body)) == (422, "unknown_category")
