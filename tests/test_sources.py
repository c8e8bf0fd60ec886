"""Tables from files: the right numbers, or an error that says where it is wrong."""

import io
import math
import os
import pickle
import re
import threading
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

import gdfast
from gdfast import delimited, read_table, sources
from gdfast.delimited import TableError

HOUSING = Path(__file__).parent / "data" / "housing.csv"
NUMBERS = [[1.5, -2.0], [3e-5, 4.25], [0.1, 1e300]]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def error_of(path, **options):
    """Return the message of the error, after the name of the file."""
    with pytest.raises(TableError) as caught:
        read_table(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


# ------------------------------------------------------------------- forms of a table


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1.5,-2\n3e-5,4.25\n.1,1e300\n",
        "a,b\n1.5,-2\n3e-5,4.25\n.1,1e300",
        "a,b\r\n1.5,-2\r\n3e-5,4.25\r\n.1,1e300\r\n",
        "a,b\r1.5,-2\r3e-5,4.25\r.1,1e300\r",
        "\ufeffa,b\n1.5,-2\n3e-5,4.25\n.1,1e300\n",
        "a;b\n1.5;-2\n3e-5;4.25\n.1;1e300\n",
        "a\tb\n1.5\t-2\n3e-5\t4.25\n.1\t1e300\n",
        "a b\n1.5 -2\n3e-5 4.25\n.1 1e300\n",
        "  a    b\n  1.5  -2\n\t3e-5 \t 4.25 \n  .1   1e300\n",
        " a , b\n 1.5 , -2 \n3e-5,\t4.25\n.1, 1e300\n",
        "\n\na,b\n1.5,-2\n\n3e-5,4.25\n  \n.1,1e300\n\n\n",
        '"a","b"\n"1.5","-2"\n"3e-5","4.25"\n".1","1e300"\n',
        '"a" "b"\n"1.5" -2\n3e-5 "4.25"\n.1 1e300\n',
        'a, "b"\n1.5, "-2"\n3e-5,+4.25\n0.1,1E+300\n',
    ],
)
def test_the_same_table_in_many_forms(write, content):
    table = read_table(write(content))
    assert table.columns == ("a", "b")
    assert table.values.tolist() == NUMBERS
    assert table.values.dtype == np.float64
    assert table.values.flags.c_contiguous
    assert (table.n_dropped, table.notes) == (0, ())


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_without_a_header_columns_are_numbered(write, separator, bom):
    lines = [separator.join(map(repr, row)) for row in NUMBERS]
    table = read_table(write(bom + "\n".join(lines)))
    assert table.columns == ("1", "2")
    assert table.values.tolist() == NUMBERS
    assert table.notes == ("no header line; the columns are named 1 to 2",)


def test_a_single_column_without_a_header_is_not_named_1_to_1(write):
    table = read_table(write("3\n4\n"))
    assert table.notes == ("no header line; the column is named 1",)


def test_a_missing_value_in_the_first_line_makes_no_header(write):
    # As a header it would be a row lost, and no error.
    path = write("1,,3\n4,5,6\n")
    assert "column '2' has 1 empty cell, at line 1" in error_of(path)
    table = read_table(path, drop_missing=True)
    assert (table.values.tolist(), table.n_dropped) == ([[4, 5, 6]], 1)


def test_a_header_with_a_number_in_it_is_noted(write):
    table = read_table(write("\ncity,2019,2020\nx,1,2\n"), drop=["city"])
    assert table.columns == ("2019", "2020")
    note = "line 2 is taken for the header, although '2019' in it is a number"
    assert table.notes == (note,)


def test_columns_without_a_name_are_left_out_and_noted(write):
    path = write(',a,,b,\n"x",1,,2,\n"y",3,,4,\n')
    table = read_table(path)
    assert table.columns == ("a", "b")
    assert table.values.tolist() == [[1, 2], [3, 4]]
    assert table.notes == ("left out for having no name: column 1, 3, 5",)
    assert read_table(path, columns=["b"]).notes == ()


def test_names_with_separators_quotes_and_any_letter(write):
    path = write('"GDP, total","5"" disk",größe $\n1,2,3\n')
    assert read_table(path).columns == ("GDP, total", '5" disk', "größe $")


def test_columns_and_drop_choose_and_order(write):
    path = write("a,text,b,c\n1,x y,2,3\n4,NA,5,6\n")
    assert read_table(path, drop=["text"]).columns == ("a", "b", "c")
    assert read_table(path, drop={"text", "b"}).values.tolist() == [[1, 3], [4, 6]]
    table = read_table(path, columns=("c", "a"))
    assert (table.columns, table.values.tolist()) == (("c", "a"), [[3, 1], [6, 4]])
    assert read_table(path, columns=["c", "text"], drop=["text"]).columns == ("c",)


def test_cells_that_are_not_read_may_hold_anything(write):
    path = write('a,text\n1,"x, y"\n2,"two\nlines"\n3,\n4,"""\n"\n5,plain\n6,nan\n')
    assert read_table(path, columns=["a"]).values.tolist() == [[k] for k in range(1, 7)]


def test_a_line_break_in_quotes_ends_no_row_even_if_the_cells_would_do(write):
    path = write('a,text\n1,"x\n2,y"\n3,z\n')
    assert read_table(path, columns=["a"]).values.tolist() == [[1], [3]]


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with a name")
def test_a_pipe_can_be_read_though_only_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = "a,b\n" + "1,2\n" * 50_000 + '"3",4\n'  # read with care, so twice
    writer = threading.Thread(target=path.write_text, args=(content,))
    writer.start()
    table = read_table(path)
    writer.join()
    assert (len(table), table.values[-1].tolist()) == (50_001, [3, 4])


# ------------------------------------------------------------------------- bit by bit

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(finite, min_size=width, max_size=width), min_size=1, max_size=20
        )
    ),
    separator=st.sampled_from([",", ";", "\t", " ", "   "]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoted=st.booleans(),
    bom=st.booleans(),
)
@example([[5e-324, -0.0], [1.7976931348623157e308] * 2], ",", "\n", False, False)
@example([[1.7976931348623157e308] * 2], ",", "\n", True, False)
def test_every_float_comes_back_bit_by_bit(
    tmp_path_factory, rows, separator, end, quoted, bom
):
    names = [f"x{j}" for j in range(len(rows[0]))]
    text = [names, *([repr(x) for x in row] for row in rows)]
    if quoted:
        text = [[f'"{cell}"' for cell in row] for row in text]
    content = "\ufeff" * bom + end.join(map(separator.join, text)) + end
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    path.write_bytes(content.encode())
    table = read_table(path)
    assert table.columns == tuple(names)
    assert table.values.tobytes() == np.array(rows).tobytes()


cells = st.one_of(
    finite.map(repr),
    st.sampled_from(
        ["", " ", "1", " 2 ", "x", "NA", "nan", "inf", '"3"', '"a,b"', "1_0"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=3),
)


@settings(max_examples=300)
@given(
    lines=st.lists(st.lists(cells, min_size=1, max_size=3).map(",".join), max_size=6),
    chosen=st.sampled_from([["a"], ["b"], ["b", "a"]]),
)
@example(lines=["\x1f", "0.0,0.0"], chosen=["a"])  # white space, but no blank line
def test_both_parsers_read_the_same_or_the_fast_one_declines(lines, chosen):
    def text():
        content = "\n".join(["a,b", *lines]).encode()
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")

    layout = delimited.Layout(",", ("a", "b"), 1)
    index = [layout.names.index(name) for name in chosen]
    fast = delimited._read_plain(text(), layout, index)
    if fast is not None:
        careful, n_dropped = delimited._read_cells(text(), layout, index, False)
        assert fast.tobytes() == careful.tobytes()
        assert (n_dropped, len(fast)) == (0, sum(bool(x.strip()) for x in lines))


@settings(max_examples=500)
@given(
    st.one_of(
        st.binary(),
        st.text('ab01.-,;\t "\n\r\0\ufeff', max_size=40).map(str.encode),
    )
)
def test_any_bytes_are_a_table_or_a_named_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    for drop_missing in (False, True):
        with suppress(TableError):  # any other error is a failure
            table = read_table(path, drop_missing=drop_missing)
            assert np.isfinite(table.values).all()
            assert table.values.shape == (len(table), len(table.columns))
            assert table.values.size
            assert drop_missing or table.n_dropped == 0


def test_a_plain_file_takes_the_fast_way(write, monkeypatch):
    monkeypatch.setattr(delimited, "_read_cells", None)
    path = write("a,text,b\n" + "1.5,x y,-2\n" * 1000)
    assert read_table(path, drop=["text"]).values.tolist() == [[1.5, -2.0]] * 1000
    assert len(read_table(HOUSING, columns=["longitude", "population"])) == 20640


# ------------------------------------------------------------------------- bad values


def test_housing_names_all_faults_at_once_and_what_helps():
    assert error_of(HOUSING) == (
        "column 'total_bedrooms' has 207 empty cells, the first at line 292; "
        "column 'ocean_proximity' has text, 'NEAR BAY' at line 2; "
        "drop=['ocean_proximity'] leaves the column out; "
        "drop_missing=True leaves the rows with empty cells out"
    )


def test_housing_with_these_options():
    lines = HOUSING.read_text().splitlines()[1:]
    expected = [
        [float(cell) for cell in line.split(",")[:-1]]
        for line in lines
        if ",," not in line
    ]
    table = read_table(HOUSING, drop=["ocean_proximity"], drop_missing=True)
    assert table.values.tolist() == expected
    assert (len(table), table.n_dropped) == (20433, 207)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("", "1 empty cell, at line 400"),
        ("  ", "1 empty cell, at line 400"),
        ('""', "1 empty cell, at line 400"),
        ("nan", "1 missing value, 'nan' at line 400"),
        ("-NaN", "1 missing value, '-NaN' at line 400"),
        ("NA", "1 missing value, 'NA' at line 400"),
        ("n/a", "1 missing value, 'n/a' at line 400"),
        ("NULL", "1 missing value, 'NULL' at line 400"),
        ("None", "1 missing value, 'None' at line 400"),
        ("inf", "1 infinite value, 'inf' at line 400"),
        ("-Infinity", "1 infinite value, '-Infinity' at line 400"),
        ("1e999", "1 infinite value, '1e999' at line 400"),
        ("abc", "1 cell of text, 'abc' at line 400"),
        ("1.5.2", "1 cell of text, '1.5.2' at line 400"),
        ("1_000", "1 cell of text, '1_000' at line 400"),
        ("0x10", "1 cell of text, '0x10' at line 400"),
        ("1 2", "1 cell of text, '1 2' at line 400"),
        ("$5", "1 cell of text, '$5' at line 400"),
        ("8#5", "1 cell of text, '8#5' at line 400"),
        ("12%", "1 cell of text, '12%' at line 400"),
        ("1\0", r"1 cell of text, '1\x00' at line 400"),
        ("2026-11-20", "1 cell of text, '2026-11-20' at line 400"),
    ],
)
def test_one_bad_cell_is_found(write, separator, cell, found):
    rows = [["7", "8", "9"] for _ in range(1000)]
    rows[398][1] = cell
    lines = [separator.join(row) for row in (["a", "b", "c"], *rows)]
    path = write("\n".join(lines))
    missing = "empty" in found or "missing" in found
    advice = ""
    if missing:
        advice = "; drop_missing=True leaves the rows with empty cells out"
    elif "text" in found:
        advice = "; drop=['b'] leaves the column out"
    assert error_of(path) == f"column 'b' has {found}{advice}"
    assert len(read_table(path, columns=["c", "a"])) == 1000
    if missing:
        table = read_table(path, drop_missing=True)
        assert (len(table), table.n_dropped) == (999, 1)
        assert (table.values == [7, 8, 9]).all()
    else:
        assert found in error_of(path, drop_missing=True)


def test_there_are_no_comments(write):
    assert "column 'b' has 1 cell of text, '2#3'" in error_of(write("a,b\n1,2#3\n"))
    assert read_table(write("#a b\n1 2\n")).columns == ("#a", "b")


def test_several_faults_of_one_column_are_counted_apart(write):
    path = write("a,b\n1,\n2,x\n3,NA\n4,y\n5,inf\n6,\n7,8\n")
    assert error_of(path, columns=["b"]).split("; ") == [
        "column 'b' has 2 empty cells, the first at line 2",
        "column 'b' has 1 infinite value, 'inf' at line 6",
        "column 'b' has 1 missing value, 'NA' at line 4",
        "column 'b' has 2 cells of text, the first 'x' at line 3",
        "drop=['b'] leaves the column out",
    ]


def test_lines_are_counted_as_an_editor_counts_them(write):
    path = write('\n"a",b\n\n1,"x\ny"\n2,"3"\n4,bad\n')
    found = error_of(path, columns=["b"])
    assert found.startswith(
        r"column 'b' has 2 cells of text, the first 'x\ny' at line 4"
    )
    path = write('a,b\n1,"x\ny"\n2,"3\n\n"\n4\n5,6\n')
    assert error_of(path, columns=["a"]) == "line 7 has 1 cell, not 2"


def test_an_empty_column_is_to_be_dropped_rather_than_all_rows(write):
    path = write("a,b\n1,\n2,\n")
    assert error_of(path) == (
        "column 'b' has 2 empty cells, the first at line 2; "
        "drop=['b'] leaves the column out"
    )
    assert error_of(path, drop_missing=True) == "every row has an empty cell"


def test_many_bad_columns_make_no_endless_message(write):
    header = ",".join(f"x{j}" for j in range(1000))
    message = error_of(write(header + "\n" + ",".join(["bad"] * 1000)))
    assert "column 'x11' has" in message
    assert "column 'x12' has" not in message
    assert "; and 988 more columns; drop=['x0', " in message
    assert message.endswith(", 'x11'] (and 988 more columns) leaves the columns out")


def test_one_bad_column_too_many_is_one_column(write):
    header = ",".join(f"x{j}" for j in range(13))
    message = error_of(write(header + "\n" + ",".join(["bad"] * 13)))
    assert "; and 1 more column; drop=" in message


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["1 2 3", "4 5", "7 8 9"], "line 3 has 2 cells, not 3"),
        (["1 2 3", "4 5 6 7"], "line 3 has 4 cells, not 3"),
        (["1 2 3 4", "5 6", "7 8 9"], "line 2 (and 1 more) has 4 cells, not 3"),
    ],
)
@pytest.mark.parametrize("columns", [None, ["a"], ["a", "b"]])
def test_a_line_of_another_length(write, separator, rows, found, columns):
    # Also where the columns that are read would be there: they may be shifted.
    content = "\n".join(["a b c", *rows]).replace(" ", separator)
    assert error_of(write(content), columns=columns) == found
    assert error_of(write(content), columns=columns, drop_missing=True) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a\n1\n\n2\n\n\n", "column 'a' has 1 empty cell, at line 3"),
        ('a\n1\n""\n2\n', "column 'a' has 1 empty cell, at line 3"),
    ],
)
def test_in_a_single_column_a_blank_line_among_others_is_an_empty_cell(
    write, content, found
):
    path = write(content)
    assert found in error_of(path)
    table = read_table(path, drop_missing=True)
    assert (table.values.tolist(), table.n_dropped) == ([[1], [2]], 1)


def test_a_single_column(write):
    assert read_table(write("\na\n1\n2\n\n")).values.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "the file is empty"),
        ("\ufeff", "the file is empty"),
        ("\n \n\t\n", "the file is empty"),
        ('""\n', "the file is empty"),
        ("a,b", "no rows of data"),
        ("a,b\n\n", "no rows of data"),
        ("a b\n", "no rows of data"),
        ("a,b,a\n1,2,3\n", "line 1 gives the name 'a' to two columns"),
        ("\n a,a \n1,2\n", "line 2 gives the name 'a' to two columns"),
        (",\n1,2\n", "column '1' has 1 empty cell, at line 1"),
        (b"\x89PNG\r\n\x1a\n\0\0", "line 1 is not UTF-8 text (byte 0x89)"),
        (b"\x1f\x8b\x08\0rest", "line 1 is not UTF-8 text (byte 0x8b)"),
        (b"PK\x03\x04\x14\0\0", "line 1 is not text: it has NUL bytes"),
        ("a,b\n1,2".encode("utf-16"), "line 1 is not UTF-8 text (byte 0xff)"),
        ("a,b\n1,2".encode("utf-16-le"), "line 1 is not text: it has NUL bytes"),
        (b"a,b\n1,2\n3,caf\xe9\n", "line 3 is not UTF-8 text (byte 0xe9)"),
        (b"a,b\n1,2\n3,4\xc3", "line 3 is not UTF-8 text (byte 0xc3)"),
        (
            b"a,b\n" + b"1,2\n" * 99_999 + b"\xff",
            "line 100001 is not UTF-8 text (byte 0xff)",
        ),
        (
            'a,b\n1,"2\n3,4\n',
            "line 2 cannot be split into cells: unexpected end of data",
        ),
        (
            'a,b\n1,2\n"3"4,5\n',
            "line 3 cannot be split into cells: ',' expected after '\"'",
        ),
        (
            f'a,b\n1,"{"x" * 200_000}"\n',
            "line 2 cannot be split into cells: field larger than field limit (131072)",
        ),
    ],
)
def test_what_is_no_table(write, content, found):
    assert error_of(write(content)).partition("; ")[0] == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            {"columns": ["sales"]},
            "no column 'sales', did you mean 'Sales'? "
            "the columns are 'TV', 'Radio', 'Newspaper', 'Sales'",
        ),
        ({"columns": ["TV", "Newpaper"]}, "no column 'Newpaper', did you mean 'News"),
        ({"drop": ["Radios"]}, "no column 'Radios', did you mean 'Radio'?"),
        ({"columns": ["zzz"]}, "no column 'zzz', the columns are 'TV', 'Radio', 'News"),
        ({"columns": [""]}, "no column '', the columns are"),
        ({"columns": [0]}, "no column 0, the columns are"),
        ({"columns": []}, "no column is left to read"),
        ({"columns": ["TV"], "drop": ["TV"]}, "no column is left to read"),
        ({"columns": ["TV", "TV"]}, "a column is asked for twice"),
    ],
)
def test_columns_that_cannot_be_read(options, found):
    path = Path(gdfast.__file__).parent / "data" / "advertising.csv"
    assert error_of(path, **options).startswith(found)


def test_of_very_many_columns_a_few_are_listed(write):
    header = ",".join(f"x{j}" for j in range(1000))
    message = error_of(write(header + "\n" + "1," * 999 + "1"), columns=["y"])
    assert message.endswith("'x29', ...")


@pytest.mark.parametrize("argument", ["columns", "drop"])
def test_a_string_is_no_list_of_names(write, argument):
    path = write("a,b\n1,2\n")
    with pytest.raises(
        TypeError, match=f"{argument} must be a list of names, got .* 'ab'"
    ):
        read_table(path, **{argument: "ab"})


def test_the_error_can_be_pickled_and_keeps_its_facts():
    with pytest.raises(TableError) as caught:
        read_table(HOUSING)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert error.text_columns == ("ocean_proximity",)
    assert error.missing_columns == ("total_bedrooms",)
    assert isinstance(error, ValueError)


# --------------------------------------------------------------- files and their faults


@pytest.mark.parametrize(
    ("name", "error"), [("missing.csv", FileNotFoundError), (".", IsADirectoryError)]
)
def test_a_file_that_cannot_be_opened(tmp_path, name, error):
    with pytest.raises(error) as caught:
        read_table(tmp_path / name)
    assert Path(caught.value.filename) == tmp_path / name


def meanwhile(monkeypatch, action):
    """Let something happen to the file while it is open."""
    read_layout = sources.read_layout

    def read_layout_and_act(text):
        try:
            return read_layout(text)
        finally:
            action()

    monkeypatch.setattr(sources, "read_layout", read_layout_and_act)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "a,b\n1,x\n", b"a,b\n1,\xff\n"])
@pytest.mark.parametrize("change", ["append", "truncate", "same size"])
def test_a_file_changed_while_it_is_read(write, monkeypatch, content, change):
    path = write(content)
    new = {"append": b"3,4\n", "truncate": b"", "same size": b"a,b\n9,9\n"}[change]

    def act():
        with open(path, "ab" if change == "append" else "r+b") as file:
            file.truncate(None if change == "append" else len(new))
            file.write(new)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    meanwhile(monkeypatch, act)
    with pytest.raises(OSError, match=re.escape(f"{path}: changed while being read")):
        read_table(path)


def test_a_file_replaced_while_it_is_read_is_read_as_it_was(write, monkeypatch):
    path = write("a,b\n1,2\n")
    new = write("a,b\n3,4\n5,6\n", "new.csv")
    meanwhile(monkeypatch, lambda: os.replace(new, path))
    assert read_table(path).values.tolist() == [[1, 2]]
    monkeypatch.undo()
    assert read_table(path).values.tolist() == [[3, 4], [5, 6]]


# ---------------------------------------------------------------------------- the table


def test_a_table_is_an_array_and_gives_columns_by_name():
    table = gdfast.example_data("advertising")
    assert table.columns == ("TV", "Radio", "Newspaper", "Sales")
    assert (len(table), table.values.shape) == (200, (200, 4))
    assert np.asarray(table) is table.values
    assert np.array(table) is not table.values
    assert np.asarray(table, dtype=np.float32).dtype == np.float32
    assert table["Radio"].tolist() == table.values[:, 1].tolist()
    assert table.values[0].tolist() == [230.1, 37.8, 69.2, 22.1]


def test_select_keeps_what_is_known_of_the_file():
    housing = read_table(HOUSING, drop=["ocean_proximity"], drop_missing=True)
    table = housing.select(["population", "longitude"])
    assert table.columns == ("population", "longitude")
    assert table.values.tolist() == housing.values[:, [5, 0]].tolist()
    assert table.values.flags.c_contiguous
    assert table.n_dropped == 207


def test_a_column_that_the_table_does_not_have():
    table = gdfast.example_data("pizza")
    with pytest.raises(KeyError, match="no column 'pizzas', did you mean 'Pizzas'"):
        table["pizzas"]
    with pytest.raises(KeyError, match="no column 'x', the columns are 'Reservations'"):
        table.select(["Pizzas", "x"])
    with pytest.raises(TypeError, match="names must be a list"):
        table.select("Pizzas")


@pytest.mark.parametrize(
    ("name", "columns", "n_rows", "total"),
    [
        ("mpg", ("pounds_1000", "mpg"), 7, 25.19 + 120),
        ("pizza", ("Reservations", "Pizzas"), 30, 380 + 806),
        ("advertising", ("TV", "Radio", "Newspaper", "Sales"), 200, None),
    ],
)
def test_example_data(name, columns, n_rows, total):
    table = gdfast.example_data(name)
    assert (table.columns, len(table)) == (columns, n_rows)
    if total is not None:
        assert math.fsum(table.values.ravel()) == pytest.approx(total, rel=1e-12)


def test_an_example_that_there_is_not():
    with pytest.raises(ValueError, match=r"one of \['advertising', 'mpg', 'pizza'\]"):
        gdfast.example_data("housing")


def test_a_table_trains_and_gives_its_names_to_the_fit(write):
    path = write("y,b,a\n5,1,0\n7,2,0\n1,0,1\n-3,-1,0\n2,0,0\n")
    table = read_table(path)
    fit = gdfast.train(
        table.select(["a", "b"]), table["y"], gtol=1e-12, max_iter=10_000
    )
    assert fit.feature_names == ("a", "b")
    assert fit.predict(table.select(["a", "b"])).shape == (5,)
    with pytest.raises(ValueError, match="feature names"):
        fit.predict(table.select(["b", "a"]))


def test_a_table_is_iterated_as_a_data_frame_is():
    table = gdfast.example_data("pizza")
    assert list(table) == ["Reservations", "Pizzas"]
    assert len(repr(table)) < 200
