using System.Buffers.Binary;
using System.Text;

namespace Tessera.Weights.PyTorch;

/// <summary>The pickle of a state dict, protocol 2: an OrderedDict of tensors, each of which fills a storage of its own.</summary>
internal static class StateDictPickle
{
    /// <param name="tensors">Tensor i lies in storage i.</param>
    /// <param name="under">The key of a dictionary round it, or null.</param>
    /// <exception cref="ArgumentException">PyTorch has no storage of a type.</exception>
    public static byte[] Of(IReadOnlyList<SafetensorsTensor> tensors, string? under)
    {
        using var pickle = new MemoryStream();
        pickle.Write([0x80, 2]); // PROTO 2
        if (under is not null)
        {
            pickle.WriteByte((byte)'}');
            Text(pickle, under);
        }
        OrderedDictionary(pickle);
        pickle.WriteByte((byte)'(');
        for (var i = 0; i < tensors.Count; i++)
        {
            Text(pickle, tensors[i].Name);
            Tensor(pickle, i, tensors[i]);
        }
        pickle.WriteByte((byte)'u');
        if (under is not null) pickle.WriteByte((byte)'s');
        pickle.WriteByte((byte)'.');
        return pickle.ToArray();
    }

    private static void Tensor(MemoryStream pickle, int index, SafetensorsTensor tensor)
    {
        var storage = PickleNames.StorageOf(tensor.Type) ?? throw new ArgumentException($"PyTorch has no storage of {tensor.Type.NameInFiles()}.", nameof(tensor));
        var count = tensor.Shape.Aggregate(1L, (product, side) => product * side);
        Name(pickle, "torch._utils", "_rebuild_tensor_v2");
        pickle.WriteByte((byte)'(');
        pickle.WriteByte((byte)'(');
        Text(pickle, "storage");
        Name(pickle, "torch", storage);
        Text(pickle, $"{index}");
        Text(pickle, "cpu");
        Whole(pickle, count);
        pickle.Write("tQ"u8);                    // the storage's tuple, BINPERSID
        Whole(pickle, 0);
        Tuple(pickle, tensor.Shape);
        Tuple(pickle, Strides(tensor.Shape));
        pickle.WriteByte(0x89);                  // asks for no gradient
        OrderedDictionary(pickle);               // has no hooks
        pickle.Write("tR"u8);
    }

    private static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, shape[i]);
        }
        return strides;
    }

    private static void OrderedDictionary(MemoryStream pickle)
    {
        Name(pickle, "collections", "OrderedDict");
        pickle.Write(")R"u8);
    }

    private static void Tuple(MemoryStream pickle, long[] numbers)
    {
        pickle.WriteByte((byte)'(');
        foreach (var number in numbers) Whole(pickle, number);
        pickle.WriteByte((byte)'t');
    }

    private static void Name(MemoryStream pickle, string module, string member) => pickle.Write(Encoding.ASCII.GetBytes($"c{module}\n{member}\n"));

    private static void Text(MemoryStream pickle, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> head = stackalloc byte[5];
        head[0] = (byte)'X';
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], bytes.Length);
        pickle.Write(head);
        pickle.Write(bytes);
    }

    private static void Whole(MemoryStream pickle, long number)
    {
        Span<byte> code = stackalloc byte[10];
        if (number <= int.MaxValue)
        {
            code[0] = (byte)'J';
            BinaryPrimitives.WriteInt32LittleEndian(code[1..], (int)number);
            pickle.Write(code[..5]);
            return;
        }
        (code[0], code[1]) = (0x8a, 8); // LONG1
        BinaryPrimitives.WriteInt64LittleEndian(code[2..], number);
        pickle.Write(code);
    }
}
