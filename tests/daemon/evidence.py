# SPDX-License-Identifier: MIT
"""What the tests saw, for the page docs/commands.md (script/matrix): a column of the matrix is a file of the build folder that
the run which fills it writes."""

import json
import os
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build')) / 'evidence'
PAGE = SOURCE / 'docs/commands.md'


class Column:
    """What one kind of board, or one kind of client, made of each method. `served` wins over every refusal: the tables ask
    wrong things on purpose."""

    def __init__(self, name):
        self.name, self.cells = name, {}

    def record(self, method, cell):
        if self.cells.get(method) != 'served' and (cell == 'served' or ': ' in cell or method not in self.cells):
            self.cells[method] = cell

    def merge(self, other):
        for method, cell in other.cells.items():
            self.record(method, cell)

    def save(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f'{self.name}.json').write_text(json.dumps(self.cells, indent=1, sort_keys=True) + '\n')

    def differs_from_page(self):
        """[(method, cell of the page, what was seen)]; only what this column has seen."""
        page = of_page(self.name)
        return [(m, page.get(m), seen) for m, seen in sorted(self.cells.items()) if page.get(m) != seen]


def load(name):
    path = FOLDER / f'{name}.json'
    return json.loads(path.read_text()) if path.exists() else None


def merged(name):
    """A column as the page should have it: what was seen here, and where nothing was, what the page says. An older file of
    evidence knows nothing of newer rows."""
    return {**(of_page(name) if PAGE.exists() else {}), **(load(name) or {})}


def of_page(column):
    """{method: cell} of a column of docs/commands.md; a cell [^n] is its footnote's text."""
    lines = PAGE.read_text().splitlines()
    notes = dict(line.split(': ', 1) for line in lines if line.startswith('[^'))
    rows = [[c.strip() for c in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    at = rows[0].index(column)
    return {row[0]: notes.get(row[at], row[at]) for row in rows[2:]}
