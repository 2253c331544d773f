using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Weights.PyTorch;

/// <summary>Reads a pickle without running anything: it knows how objects are laid out, and the few names of <see cref="PickleNames"/>.</summary>
/// <remarks>
/// The format: Python's pickletools, up to protocol 5, without what PyTorch never writes (extension codes, buffers out of band). Memory
/// follows the pickle's own length: text and bytes are copied only where they are there, and every other step makes one small object.
/// </remarks>
/// <param name="bytes">Holds the pickle; more may follow it.</param>
/// <param name="position">Where it begins.</param>
/// <param name="persistent">What a persistent id means: PyTorch's storages.</param>
internal sealed class PickleReader(byte[] bytes, int position, Func<object?, object?> persistent)
{
    /// <summary>A checkpoint's pickle has some hundred steps a tensor.</summary>
    private const int MostSteps = 8_000_000;

    private const int LongestInteger = 256; // bytes or digits

    private readonly List<object?> stack = [];
    private readonly Stack<int> marks = [];
    private readonly Dictionary<long, object?> memo = [];
    private long copied;

    /// <summary>The byte after what was read.</summary>
    public int Position => position;

    /// <summary>Reads one pickle.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or names what is not known; the message is a part of a sentence.</exception>
    public object? Read()
    {
        for (var steps = 0; steps < MostSteps; steps++)
        {
            var at = position;
            var code = Byte();
            if (code == (byte)'.') return Pop();
            try
            {
                Step(code);
            }
            catch (InvalidDataException e)
            {
                throw new InvalidDataException($"{e.Message} (byte {at} of its pickle)", e);
            }
        }
        throw Wrong($"its pickle has more than {MostSteps:n0} steps");
    }

    private void Step(byte code)
    {
        switch ((char)code)
        {
            case '\x80': if (Byte() > 5) throw Wrong("its pickle's protocol is above 5"); break;
            case '\x95': Count(Eight()); break;                                     // FRAME: what follows is read as it comes
            case '(': marks.Push(stack.Count); break;
            case '0': if (marks.TryPeek(out var mark) && mark == stack.Count) marks.Pop(); else Pop(); break;
            case '1': PopMark(); break;
            case '2': Push(Top()); break;

            case 'N': Push(null); break;
            case '\x88': Push(true); break;
            case '\x89': Push(false); break;
            case 'I': { var digits = Line(); if (digits is "00" or "01") Push(digits == "01"); else PushWhole(Integer(digits)); break; }
            case 'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case 'K': Push((long)Byte()); break;
            case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case 'L': PushWhole(Integer(Line().TrimEnd('L'))); break;
            case '\x8a': PushWhole(Integer(Take(Byte()))); break;
            case '\x8b': PushWhole(Integer(Take(Count(BinaryPrimitives.ReadInt32LittleEndian(Take(4)))))); break;
            case 'F': Push(double.TryParse(Line(), NumberStyles.Float, CultureInfo.InvariantCulture, out var real) ? real : throw Wrong("a number is none")); break;
            case 'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;

            case 'S': Push(Unquoted(Line())); break;
            case 'T': Push(Text(BinaryPrimitives.ReadInt32LittleEndian(Take(4)))); break;
            case 'U': Push(Text(Byte())); break;
            case 'V': Push(Unescaped(Line())); break;
            case 'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))); break;
            case '\x8c': Push(Text(Byte())); break;
            case '\x8d': Push(Text(Eight())); break;
            case 'B': Push(Take(Count(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))).ToArray()); break;
            case 'C': Push(Take(Byte()).ToArray()); break;
            case '\x8e' or '\x96': Push(Take(Count(Eight())).ToArray()); break;

            case ']' or '\x8f': Push(new List<object?>()); break;
            case 'l' or '\x91': Push(new List<object?>(PopMark())); break;
            case 'a': { var item = Pop(); ListAtTop().Add(item); break; }
            case 'e' or '\x90': { var items = PopMark(); ListAtTop().AddRange(items); break; }
            case ')': Push(Array.Empty<object?>()); break;
            case 't': Push(PopMark()); break;
            case '\x85': Push(Pop(1)); break;
            case '\x86': Push(Pop(2)); break;
            case '\x87': Push(Pop(3)); break;
            case '}': Push(new PickledDictionary()); break;
            case 'd': { var items = PopMark(); Push(new PickledDictionary()); SetItems(items); break; }
            case 's': SetItems(Pop(2)); break;
            case 'u': SetItems(PopMark()); break;

            case 'g': Recall(Index(Line())); break;
            case 'h': Recall(Byte()); break;
            case 'j': Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))); break;
            case 'p': memo[Index(Line())] = Top(); break;
            case 'q': memo[Byte()] = Top(); break;
            case 'r': memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Top(); break;
            case '\x94': memo[memo.Count] = Top(); break;

            case 'c': { var module = Line(); Push(Name(module, Line())); break; }
            case '\x93': Push(Pop(2) is [string owner, string member] ? Name(owner, member) : throw Wrong("a name is no text")); break;
            case 'R' or '\x81': { var arguments = Arguments(Pop()); Push(Call(Pop(), arguments)); break; }
            case '\x92': { _ = Pop(); var arguments = Arguments(Pop()); Push(Call(Pop(), arguments)); break; }
            case 'o': { var parts = PopMark(); Push(parts.Length > 0 ? Call(parts[0], parts[1..]) : throw Wrong("nothing is called")); break; }
            case 'i': { var module = Line(); var type = Name(module, Line()); Push(Call(type, PopMark())); break; }
            case 'b': { var state = Pop(); Build(state); break; }

            case 'P': Push(persistent(Line())); break; // text, which is no storage
            case 'Q': Push(persistent(Pop())); break;
            default: throw Wrong($"its pickle has the code 0x{code:x2}, which PyTorch does not write");
        }
    }

    /// <summary>A name that is known; every other ends the reading.</summary>
    private static PickledName Name(string module, string member)
    {
        var name = $"{module}.{member}";
        return PickleNames.Knows(name) ? new PickledName(name) : throw new RefusedNameException(name);
    }

    private object? Call(object? callable, object?[] arguments)
    {
        if (callable is not PickledName { Name: var name }) throw Wrong("what is called is no name");
        // A call copies what it is given, and few bytes recall a large list as often as they like.
        copied += arguments.Sum(Size);
        return copied <= MostSteps ? PickleConstruction.Call(name, arguments) : throw Wrong($"its calls copy more than {MostSteps:n0} values");

        static long Size(object? value) => value switch
        {
            System.Collections.ICollection items => items.Count,
            PickledDictionary dictionary => dictionary.Items.Count,
            string text => text.Length / sizeof(long),
            _ => 1,
        };
    }

    private static object?[] Arguments(object? value) => value as object?[] ?? throw Wrong("the arguments of a call are no tuple");

    /// <summary>Gives an object its state. Attributes of a dictionary, such as a state dict's versions, are left out.</summary>
    private void Build(object? state)
    {
        switch (Top())
        {
            case PickledObject made: made.State = state; break;
            case PickledDictionary: break;
            default: throw Wrong("state is given to what has none");
        }
    }

    private void SetItems(object?[] items)
    {
        if (Top() is not PickledDictionary dictionary) throw Wrong("an item is put into what is no dictionary");
        if (items.Length % 2 != 0) throw Wrong("a dictionary's last key has no value");
        for (var i = 0; i < items.Length; i += 2) dictionary.Set(items[i], items[i + 1]);
    }

    private List<object?> ListAtTop() => Top() as List<object?> ?? throw Wrong("an item is put into what is no list");

    private void Recall(long index) => Push(memo.TryGetValue(index, out var value) ? value : throw Wrong($"number {index} is recalled before it was kept"));

    private void Push(object? value) => stack.Add(value);

    private void PushWhole(BigInteger number)
    {
        if (number >= long.MinValue && number <= long.MaxValue) Push((long)number);
        else Push(number);
    }

    private object? Top() => stack.Count > Floor ? stack[^1] : throw Wrong("something is missing on its stack");

    private object? Pop() => Pop(1)[0];

    private object?[] Pop(int count)
    {
        if (stack.Count - Floor < count) throw Wrong("something is missing on its stack");
        return PopFrom(stack.Count - count);
    }

    private object?[] PopMark() => marks.TryPop(out var mark) ? PopFrom(mark) : throw Wrong("a mark is missing on its stack");

    private object?[] PopFrom(int first)
    {
        var items = stack.GetRange(first, stack.Count - first).ToArray();
        stack.RemoveRange(first, items.Length);
        return items;
    }

    /// <summary>What lies below the last mark belongs to who set it.</summary>
    private int Floor => marks.TryPeek(out var mark) ? mark : 0;

    private byte Byte() => Take(1)[0];

    private long Eight() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - position) throw Wrong("it ends in the middle");
        var taken = bytes.AsSpan(position, count);
        position += count;
        return taken;
    }

    /// <summary>A claimed length, held against what is there before anything is made of it.</summary>
    private int Count(long claimed) => claimed >= 0 && claimed <= bytes.Length - position ? (int)claimed
        : throw Wrong($"a length of {claimed} is claimed, and {bytes.Length - position} bytes are left");

    private string Text(long length)
    {
        try
        {
            return Strict.GetString(Take(Count(length)));
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException("text is not UTF-8", e);
        }
    }

    private string Line()
    {
        var rest = bytes.AsSpan(position);
        var length = rest.IndexOf((byte)'\n');
        if (length < 0) throw Wrong("it ends in the middle");
        var line = Encoding.Latin1.GetString(rest[..length]).TrimEnd('\r');
        position += length + 1;
        return line;
    }

    private static string Unquoted(string line) => line is ['\'', .., '\''] or ['"', .., '"'] ? Unescaped(line[1..^1]) : throw Wrong("text has no quotes");

    private static string Unescaped(string line)
    {
        if (!line.Contains('\\')) return line;
        var text = new StringBuilder();
        for (var i = 0; i < line.Length; i++)
        {
            var digits = line[i] != '\\' || i + 1 == line.Length ? -1 : line[i + 1] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits <= 0)
            {
                if (digits == 0) i++; // \\ and \' stand for what follows
                text.Append(line[i]);
                continue;
            }
            if (i + 2 + digits > line.Length || !int.TryParse(line.AsSpan(i + 2, digits), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var code) || code is < 0 or > 0x10ffff)
                throw Wrong("text has an escape that means no character");
            text.Append(code > char.MaxValue ? char.ConvertFromUtf32(code) : ((char)code).ToString());
            i += 1 + digits;
        }
        return text.ToString();
    }

    private static long Index(string digits) => long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : throw Wrong("a number is none");

    private static BigInteger Integer(string digits) =>
        digits.Length <= LongestInteger && BigInteger.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
        : throw Wrong("a number is none");

    /// <summary>A whole number in two's complement, lowest byte first.</summary>
    private static BigInteger Integer(ReadOnlySpan<byte> digits) =>
        digits.Length <= LongestInteger ? new BigInteger(digits) : throw Wrong($"a number has {digits.Length} bytes");

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static InvalidDataException Wrong(string what) => new(what);
}

/// <summary>A pickle names what is not known to be harmless.</summary>
internal sealed class RefusedNameException(string name) : Exception(
    $"its pickle asks for {Quoted.Of(name)}, which is none of what tensors and plain containers need: nothing of the file was run")
{
    /// <summary>The name, with its module.</summary>
    public string Name { get; } = name;
}
