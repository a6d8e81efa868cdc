"""What readers may hand in for the exercises of lesson 00, in the form of ``exercise_cases.py``."""

_VALUE = """
class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other):
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])

    def relu(self):
        return Value(max(self.data, 0.0), [(self, float(self.data > 0))])
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "line_gradient": [
        ("error = slope * x + intercept - y", "error = y - slope * x - intercept", "points downhill"),
        ("2 * error", "error", "Half of it"),
        (" / len(xs)", "", "You add up over the points"),
        ("return by_slope, by_intercept", "return by_intercept, by_slope", "changed places"),
        ("2 * error * x", "2 * error", "lacks x"),
        ("slope * x + intercept - y", "slope * x - y", "intercept is missing"),
        ("slope * x + intercept - y", "intercept - y", "no slope in them"),
        (
            "    return by_slope, by_intercept",
            "    return by_intercept * sum(xs) / len(xs), by_intercept",
            "multiply the mean error by the mean x",
        ),
        (
            None,
            """
def line_gradient(xs, ys, slope, intercept):
    loss = sum((slope * x + intercept - y) ** 2 for x, y in zip(xs, ys)) / len(xs)
    return loss, loss
""",
            "This is the loss itself",
        ),
        ("    return by_slope, by_intercept", "", "there is None"),
        ("    return by_slope, by_intercept", "    return by_slope + by_intercept", "Return two numbers"),
        ("    return by_slope, by_intercept", "    return [by_slope], [by_intercept]", "yours is a list"),
        ("2 * error * x", "2 * abs(error) * x", "the derivative by the slope should be"),
        ("2 * error / len", "2 * abs(error) / len", "the derivative by the intercept should be"),
        ("    by_slope, by", "    xs[0] = 0.5000001\n    by_slope, by", "changes its input in place"),
        (
            None,
            "def line_gradient(xs, ys, slope, intercept):\n    return (2 * (slope * xs + intercept - ys) * xs).mean()",
            "A list is no array",
        ),
    ],
    "numerical_gradient": [
        ("        down[k] -= step\n", "", "to one side only, but divide"),
        ("(2 * step)", "step", "the way is twice the step"),
        ("(2 * step)", "2 * step", "Brackets"),
        ("(loss(up) - loss(down)) / (2 * step)", "loss(up) - loss(down) / 2 * step", "before it is subtracted"),
        ("(loss(up) - loss(down)) / (2 * step)", "loss(up) - loss(down) / (2 * step)", "before it is subtracted"),
        (" / (2 * step)", "", "A difference is not a slope yet"),
        ("loss(up) - loss(down)", "loss(down) - loss(up)", "The sign is wrong"),
        ("(loss(up) - loss(down)) / (2 * step)", "(loss(up) - loss(numbers)) / step", "You move upwards only"),
        ("(loss(up) - loss(down)) / (2 * step)", "(loss(numbers) - loss(down)) / step", "You move downwards only"),
        (
            "        up, down = list(numbers), list(numbers)\n        up[k] += step\n        down[k] -= step\n",
            "        up, down = [x + step for x in numbers], [x - step for x in numbers]\n",
            "You move all numbers at once",
        ),
        (
            None,
            """
def numerical_gradient(loss, numbers, step):
    numbers, slopes = list(numbers), []
    for k in range(len(numbers)):
        numbers[k] += step
        up = loss(numbers)
        numbers[k] -= 2 * step
        slopes.append((up - loss(numbers)) / (2 * step))
    return slopes
""",
            "stays moved",
        ),
        (
            None,
            """
def numerical_gradient(loss, numbers, step):
    slopes = []
    for k in range(len(numbers)):
        numbers[k] += step
        up = loss(numbers)
        numbers[k] -= 2 * step
        slopes.append((up - loss(numbers)) / (2 * step))
    return slopes
""",
            "changes its input in place",
        ),
        ("    slopes = []\n", "    slopes, step = [], 1e-5\n", "of another step"),
        ("    return slopes", "    return slopes[0]", "Return a list"),
        ("    return slopes", "    return sum(slopes)", "Return a list"),
        ("    return slopes", "    return slopes[1:]", "so many slopes"),
        ("    return slopes", "", "Is the return missing"),
        ("    return slopes", "    return slopes[::-1]", "the slopes should be"),
    ],
    "value": [
        ("value.grad += arrived[value]", "value.grad = arrived[value]", "adds to what is there"),
        ("arrived[parent] += slope", "arrived[parent] = slope", "used twice gets its gradient in two parts"),
        ("slope * arrived[value]", "arrived[value]", "A factor's slope is the other factor"),
        ("slope * arrived[value]", "slope", "the chain rule"),
        ("[(self, other.data), (other, self.data)]", "[(self, self.data), (other, other.data)]", "the other factor"),
        ("self.data + other.data", "self.data - other.data", "Value(3.0) + Value(-2.0) should have .data 1"),
        ("max(self.data, 0.0)", "self.data", "Value(-2.0).relu() should have .data 0"),
        ("max(self.data, 0.0)", "abs(self.data)", "Value(-2.0).relu() should have .data 0"),
        ("float(self.data > 0)", "1.0", "nothing comes through"),
        ("reversed(order)", "order", "should have .grad"),
        ("arrived[self] = 1.0", "arrived[self] = self.data", "should have .grad 1"),
        ("Value(self.data + other.data, parents)", "self.data + other.data", "should be a Value"),
        (
            "        return Value(self.data + other.data, parents)",
            "        self.data += other.data\n        return self",
            "leave the old ones alone",
        ),
        ("= data, 0.0,", "= 0.0, 0.0,", "It keeps"),
        ("= data, 0.0,", "= data, 1.0,", "is 0"),
        (
            None,
            _VALUE
            + """
    def backward(self, arrived=1.0):
        self.grad += arrived
        for parent, slope in self.parents:
            parent.backward(slope * arrived)
""",
            "once for each way",
        ),
        (
            None,
            _VALUE
            + """
    def backward(self):
        self.grad = 1.0
        todo = [self]
        while todo:
            value = todo.pop()
            for parent, slope in value.parents:
                parent.grad += slope * value.grad
                todo.append(parent)
""",
            "only when all of it has arrived",
        ),
        (
            None,
            _VALUE
            + """
    def backward(self):
        order = []

        def visit(value):
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for parent, slope in value.parents:
                parent.grad += slope * value.grad
""",
            "hands on again what the first had left",
        ),
        (
            None,
            _VALUE
            + """
    def backward(self):
        order = [self]
        for value in order:
            order += [parent for parent, _ in value.parents if parent not in order]
        arrived = dict.fromkeys(order, 0.0)
        arrived[self] = 1.0
        for value in order:
            value.grad += arrived[value]
            for parent, slope in value.parents:
                arrived[parent] += slope * arrived[value]
""",
            "should have .grad",
        ),
    ],
    "fit": [
        ("        optimizer.zero_grad()\n", "", "never cleared"),
        (
            "        loss.backward()\n",
            "        loss.backward()\n        optimizer.zero_grad()\n",
            "Nothing is learned",
        ),
        ("        optimizer.step()\n", "", "Nothing is learned"),
        (
            "        loss.backward()\n        optimizer.step()\n",
            "        optimizer.step()\n        loss.backward()\n",
            "Nothing is learned",
        ),
        (
            None,
            """
def fit(network, optimizer, batches):
    losses = []
    for inputs, labels in batches:
        loss = F.cross_entropy(network(inputs), labels)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
    return losses
""",
            "between a loss and its backward",
        ),
        (
            None,
            """
def fit(network, optimizer, batches):
    losses = []
    for inputs, labels in batches:
        optimizer.step()
        optimizer.zero_grad()
        loss = F.cross_entropy(network(inputs), labels)
        loss.backward()
        losses.append(loss.item())
    return losses
""",
            "goes by the batch before",
        ),
        ("network(inputs), labels", "network(inputs).softmax(dim=1), labels", "does the softmax itself"),
        ("loss.item()", "F.cross_entropy(network(inputs), labels).item()", "those after each step"),
        ("loss.item()", "loss", "still hang on their graphs"),
        ("    return losses", "    return losses[-1]", "Return the list"),
        ("    return losses", "    return losses[1:]", "so 4 losses"),
        ("    return losses", "", "there is None"),
        (
            "        optimizer.step()\n        losses.append(loss.item())\n    return",
            "        losses.append(loss.item())\n    optimizer.step()\n    return",
            "should have the loss",
        ),
        ("    for inputs, labels in batches:", "    for inputs, labels in batches[::-1]:", "should have the loss"),
        ("network(inputs), labels)", "network(inputs), labels, reduction='sum')", "should have the loss"),
        (
            "        optimizer.step()\n",
            "        with torch.no_grad():\n            for p in network.parameters():\n"
            "                p -= 0.1 * p.grad\n",
            "momentum of 0.9",
        ),
        ("    losses = []", "    inputs = batches[0][0].mul_(2)\n    losses = []", "changes the batches"),
        ("    return losses", "    optimizer.step()\n    return losses", "the weights at the end are not"),
    ],
}

RIGHT: dict[str, str] = {
    "line_gradient": """
import numpy as np

def line_gradient(xs, ys, slope, intercept):
    x = np.array(xs)
    error = slope * x + intercept - np.array(ys)
    return 2 * (error * x).mean(), 2 * error.mean()
""",
    "numerical_gradient": """
def numerical_gradient(loss, numbers, step):
    def moved(k, by):
        return [x + by * (j == k) for j, x in enumerate(numbers)]

    return [(loss(moved(k, step)) - loss(moved(k, -step))) / step / 2 for k in range(len(numbers))]
""",
    "value": """
class Value:
    def __init__(self, data):
        self.data, self.grad, self.back = data, 0, []

    def made(self, data, *back):
        made = Value(data)
        made.back = list(back)
        return made

    def __add__(self, other):
        return self.made(self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        a, b = self.data, other.data
        return self.made(a * b, (self, lambda g: g * b), (other, lambda g: g * a))

    def relu(self):
        return self.made(self.data if self.data > 0 else 0, (self, lambda g: g if self.data > 0 else 0))

    def backward(self):
        users, todo, seen = {id(self): 0}, [self], {id(self)}
        while todo:
            for parent, _ in todo.pop().back:
                users[id(parent)] = users.get(id(parent), 0) + 1
                if id(parent) not in seen:
                    seen.add(id(parent))
                    todo.append(parent)
        ready, flow = [self], {id(self): 1.0}
        while ready:
            value = ready.pop()
            value.grad = value.grad + flow[id(value)]
            for parent, slope in value.back:
                flow[id(parent)] = flow.get(id(parent), 0.0) + slope(flow[id(value)])
                users[id(parent)] -= 1
                if users[id(parent)] == 0:
                    ready.append(parent)
""",
    "fit": """
def fit(network, optimizer, batches):
    losses = torch.zeros(len(batches))
    for k, (inputs, labels) in enumerate(batches):
        loss = -network(inputs).log_softmax(dim=-1)[torch.arange(len(labels)), labels].mean()
        loss.backward()
        optimizer.step()
        network.zero_grad()
        losses[k] = loss.detach()
    return losses.tolist()
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "line_gradient": [
        """
def line_gradient(xs, ys, slope, intercept):
    x, y = torch.tensor(xs), torch.tensor(ys)
    line = torch.tensor([slope, intercept], requires_grad=True)
    ((line[0] * x + line[1] - y) ** 2).mean().backward()
    return tuple(line.grad)
""",
    ],
    "numerical_gradient": [
        """
import numpy as np

def numerical_gradient(loss, numbers, step):
    moves = step * np.eye(len(numbers))
    return [(loss(list(numbers + move)) - loss(list(numbers - move))) / (2 * step) for move in moves]
""",
    ],
    "fit": [
        """
def fit(network, optimizer, batches):
    def one(batch):
        optimizer.zero_grad(set_to_none=False)
        loss = nn.CrossEntropyLoss()(network(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.detach().double().item()
    return tuple(map(one, batches))
""",
    ],
}

# Mutations of a solution that leave its behaviour as it is: the changed line, and why nothing changes.
EQUIVALENT: dict[str, dict[str, str]] = {
    "value": {
        "return Value(max(0.0, self.data), parents)": "the larger of two, in either order",
    },
}
