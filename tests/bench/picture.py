# SPDX-License-Identifier: MIT
"""Results as a picture: one square a cell, by transfer, buffers and speed, coloured by how much of its limit it reached; and
what other clients reached beside it."""

import html

SQUARE, ROW, LEFT = 58, 24, 190
KINDS = {'image': 'Image upload', 'write': 'File upload', 'read': 'File download'}


def colour(share):
    """Red below 80 %, yellow at 90, green from 97 on."""
    at = max(0.0, min(1.0, (share - 0.8) / 0.17))
    return f'hsl({120 * at:.0f} 62% {72 - 10 * at:.0f}%)'


def text(x, y, words, size=12, anchor='start', weight='normal'):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">'
            f'{html.escape(str(words))}</text>')


def square(x, y, share, title):
    label = f'{100 * share:.1f}' if share else 'failed'
    return (f'<rect x="{x}" y="{y}" width="{SQUARE - 3}" height="{ROW - 3}" rx="3" fill="{colour(share)}">'
            f'<title>{html.escape(title)}</title></rect>' + text(x + SQUARE / 2 - 1, y + 15, label, 11, 'middle'))


def speed(r):
    return f'{r["baud"] / 1e6:g} Mbaud' if r['baud'] >= 1000000 else f'{r["baud"]} baud'


def matrix(results, top):
    """A block for each kind of transfer: rows are speed and buffer, columns are latencies."""
    lines, y = [], top
    for kind, title in KINDS.items():
        cells = [r for r in results if r['kind'] == kind]
        if not cells:
            continue
        columns = sorted({r['latency_ms'] for r in cells})
        lines.append(text(10, y + 14, f'{title}, per cent of the limit', 14, weight='bold'))
        for i, latency in enumerate(columns):
            lines.append(text(LEFT + i * SQUARE + SQUARE / 2, y + 32, f'{latency:g} ms', 11, 'middle'))
        y += 38
        for key in sorted({(r['baud'], r['buf_size'], r['buf_count']) for r in cells}):
            there = [r for r in cells if (r['baud'], r['buf_size'], r['buf_count']) == key]
            lines.append(text(10, y + 15, f'{speed(there[0])}, {key[2]} x {key[1]}'))
            for r in there:
                said = f'{r["rate"]:.0f} B/s of {r["limit"]:.0f}' + (f', wire {r["wire"]:.0f}' if r['wire'] else '')
                lines.append(square(LEFT + columns.index(r['latency_ms']) * SQUARE, y, r['rate'] / r['limit'], said))
            y += ROW
        y += 18
    return lines, y


def bars(results, top):
    """A group of bars a cell, one a client: per cent of the wire."""
    lines, y = [text(10, top + 14, 'Image upload, per cent of the wire, by client', 14, weight='bold')], top + 26
    clients = list(dict.fromkeys(r['client'] for r in results))
    groups = list(dict.fromkeys((r['baud'], r['buf_size'], r['latency_ms'], r['bad'].get('loss', 0)) for r in results))
    for group in groups:
        there = {r['client']: r for r in results
                 if (r['baud'], r['buf_size'], r['latency_ms'], r['bad'].get('loss', 0)) == group}
        first = next(iter(there.values()))
        lost = f', {100 * group[3]:g} % lost' if group[3] else ''
        lines.append(text(10, y + 14, f'{speed(first)}, {first["buf_size"]}, {group[2]:g} ms{lost}', 11))
        for client in clients:
            r = there.get(client)
            share = r['rate'] / r['wire'] if r else 0
            hue = 130 if client == clients[0] else 215
            lines.append(f'<rect x="{LEFT + 20}" y="{y + 3}" width="{max(1, 260 * share):.0f}" height="11" '
                         f'fill="hsl({hue} 45% 58%)"/>')
            lines.append(text(LEFT + 26 + 260 * share, y + 13, f'{client} {100 * share:.1f}' if share else f'{client} failed', 10))
            y += 15
        y += 8
    return lines, y


def draw(results):
    lines, y = [], 34
    for name, block in (('one', matrix), ('peers', bars)):
        if results.get(name):
            more, y = block(results[name], y)
            lines += more
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {y + 10:.0f}" font-family="sans-serif">'
    return '\n'.join([head, '<rect width="100%" height="100%" fill="white"/>', text(10, 22, 'mcumgrd: transfers', 16, weight='bold'),
                      *lines, '</svg>', ''])
