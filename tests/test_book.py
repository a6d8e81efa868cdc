"""Every page of the built book, as a reader's browser shows it: light and dark, on a laptop and on a phone."""

import re
from collections.abc import Iterator

import pytest
import yaml
from built_book import ALL_PAGES, CUT_OFF, FAINT_TEXT, LAPTOP, PAGES, PHONE, ROOT, TOO_WIDE, Visit, source_of
from lesson_outputs import reshaped

pytestmark = pytest.mark.xdist_group("book")  # one worker: one build, one browser


COME_NEAR = """() => {
  document.querySelector("article .math").scrollIntoView();  // again, as images that come in move it
  return Boolean(window.MathJax?.startup?.promise);
}"""
OPEN_ALL = "document.querySelectorAll('article details').forEach(each => { each.open = true; })"


@pytest.fixture(scope="module", params=ALL_PAGES)
def visit(browser, address, request) -> Iterator[Visit]:
    visit = Visit(browser, address, f"{request.param}.html")
    visit.name = request.param
    yield visit
    visit.context.close()


def test_maths_is_rendered(visit):
    formulas = visit.page.locator("article .math").count()
    if formulas:  # MathJax comes when the reader comes near the first one, which may be folded
        visit.page.evaluate(OPEN_ALL)
        visit.page.wait_for_function(COME_NEAR)
        visit.page.evaluate("window.MathJax.startup.promise")
    assert visit.page.locator("article .math mjx-container").count() >= formulas
    assert formulas or visit.name not in ("book/glossary", "lessons/05_gradcam"), "there are formulas on this page"
    assert visit.page.locator("mjx-merror").count() == 0


def test_images_are_there_and_described(visit):
    visit.page.evaluate(OPEN_ALL)
    for image in visit.page.locator("article img:not(.only-dark)").all():
        image.scroll_into_view_if_needed()
        source = image.get_attribute("src")
        assert (image.get_attribute("alt") or "").strip(), f"no alt text: {source}"
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth, () => 0)") > 0, f"not shown: {source}"
        stretched = image.evaluate("e => e.clientWidth * e.naturalHeight / (e.clientHeight * e.naturalWidth)")
        assert stretched == pytest.approx(1, abs=0.05), f"out of proportion: {source}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(visit, scheme):
    visit.show(scheme, PHONE)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert visit.page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit, scheme):
    visit.show(scheme, LAPTOP)
    assert visit.page.evaluate(FAINT_TEXT) == []


def test_in_the_dark_a_figure_has_a_dark_version_or_keeps_its_light_ground(visit):
    visit.show("dark", LAPTOP)
    visit.page.evaluate(OPEN_ALL)
    for image in visit.page.locator("article img:visible").all():
        ground = image.evaluate("e => getComputedStyle(e).backgroundColor")
        dark = "dark-figure" in (image.get_attribute("class") or "")
        assert ground == ("rgb(18, 18, 18)" if dark else "rgb(255, 255, 255)")
        if dark:
            image.scroll_into_view_if_needed()
            assert image.evaluate("e => e.decode().then(() => e.naturalWidth, () => 0)") > 0


def test_code_and_tables_fit_their_column_on_a_laptop(visit):
    visit.show("light", LAPTOP)
    visit.page.evaluate(OPEN_ALL)
    if visit.name.startswith("lessons/") and not reshaped(ROOT / f"{visit.name}.py"):
        pytest.skip("this lesson is not in the narrow format yet")
    assert visit.page.evaluate(CUT_OFF) == []


def test_first_view_is_light(visit):
    assert visit.first_view < 1.5e6


def test_page_fetches_nothing_elsewhere_and_reports_no_error(visit):
    assert visit.elsewhere == []  # up to here, with all that was done to the page above
    assert visit.errors == []


def test_start_page_leads_to_the_introduction(browser, address):
    visit = Visit(browser, address, "index.html")
    visit.page.wait_for_url("**/book/intro.html")
    assert visit.elsewhere == []
    assert visit.errors == []
    visit.context.close()


def test_search_finds_a_term_without_help_from_elsewhere(browser, address):
    visit = Visit(browser, address, "search.html?q=calibration")
    visit.page.wait_for_selector("#search-results li")
    assert visit.elsewhere == []
    assert visit.errors == []
    visit.context.close()


# ---- what course.js adds to a lesson ---------------------------------------------------------------------------------


@pytest.fixture
def lesson(browser, address) -> Iterator[Visit]:
    visit = Visit(browser, address, "lessons/01_data.html")
    yield visit
    visit.context.close()


def test_answers_are_folded_until_the_reader_guesses_and_then_the_truth_stands_beside_the_guess(lesson):
    page, truth = lesson.page, "11,718 images"
    reveal = page.locator("details.reveal").first
    assert not reveal.evaluate("e => e.open")
    assert not page.get_by_text("One photograph holds the pixels of").is_visible()
    page.locator(".guess input").first.fill("5000")
    page.keyboard.press("Enter")
    assert page.locator(".guess [role=status]").first.inner_text().startswith(f"You said 5,000 images. It is {truth}.")
    assert reveal.evaluate("e => e.open")
    assert page.get_by_text("One photograph holds the pixels of").is_visible()


def test_quiz_is_answered_by_keyboard_and_explains_the_right_answer(lesson):
    page = lesson.page
    page.locator("fieldset.quiz input").first.focus()
    page.keyboard.press("Space")
    said = page.locator(".quiz-verdict").first
    assert said.inner_text().startswith("No.")
    assert not page.locator("#quiz details").first.evaluate("e => e.open")
    page.keyboard.press("ArrowDown")
    assert said.inner_text() == "Right."
    assert page.locator("#quiz details").first.evaluate("e => e.open")


def test_each_question_has_exactly_one_right_answer_in_the_page(lesson):
    questions = lesson.page.locator("fieldset.quiz")
    assert questions.count() == 4
    for question in questions.all():
        verdicts = []
        for choice in question.locator("input").all():
            choice.check()
            verdicts.append(question.locator(".quiz-verdict").inner_text())
        assert verdicts.count("Right.") == 1


def test_without_javascript_and_in_print_everything_is_open(browser, address, lesson):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/lessons/01_data.html")
    assert page.get_by_text("One photograph holds the pixels of").is_visible()
    assert page.locator("#quiz li").count() >= 12
    context.close()
    lesson.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert lesson.page.locator("details:not([open])").count() == 0
    lesson.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not lesson.page.locator("details.reveal").first.evaluate("e => e.open")


# ---- without a browser -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_page_was_built(html, page):
    assert (html / f"{page}.html").stat().st_size > 1000


def test_pages_load_no_script_style_or_image_from_elsewhere(html):
    loads = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^\"']+", re.I)
    for path in html.rglob("*.html"):
        assert not loads.findall(path.read_text("utf-8")), path
    for path in (html / "_static").rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", path.read_text("utf-8")), path


def test_lessons_in_the_toc_are_linked_from_the_map():
    introduction = source_of("book/intro").read_text("utf-8")
    for page in PAGES:
        if page.startswith("lessons/"):
            assert f"(../{source_of(page).relative_to(ROOT).as_posix()})" in introduction, f"{page} is not linked"


def test_launch_button_opens_the_lesson_in_the_configured_repository_and_without_one_there_is_none(html):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    base = repository["url"].replace("https://github.com/", "https://colab.research.google.com/github/")
    for page in PAGES:
        text = (html / f"{page}.html").read_text("utf-8")
        if "/OWNER/" in base:
            assert not re.search(r"(?:href|src)=\"[^\"]*OWNER", text), f"{page} leads to nobody's repository"
        elif page.startswith("lessons/"):
            link = f"{base}/blob/{repository['branch']}/{page}.ipynb"
            assert link in text, f"{page} has no button to {link}"


def test_every_lesson_is_in_the_toc():
    lessons = sorted(path.with_suffix("").relative_to(ROOT).as_posix() for path in ROOT.glob("lessons/*.ipynb"))
    assert [page for page in PAGES if page.startswith("lessons/")] == lessons


def test_the_networks_drawing_has_the_networks_numbers():
    from s12lib.model import PageResNet

    drawing = (ROOT / "book" / "_static" / "page_resnet.svg").read_text("utf-8")
    network = PageResNet()
    for _, part in network.named_children():
        assert f"{sum(parameter.numel() for parameter in part.parameters()):,} parameters" in drawing
    assert f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters in all" in drawing
