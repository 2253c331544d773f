using System.Globalization;

namespace Tessera.Weights.PyTorch;

/// <summary>A file that PyTorch's <c>torch.save</c> wrote, opened for reading: its tensors by name. Nothing of it is executed.</summary>
/// <remarks>
/// <para>Zip archives (PyTorch 1.6 and later) and the format before. The pickle inside is read by an interpreter that knows the few constructors that tensors and
/// plain containers need; any other name is refused. Nothing is allocated on a file's word: a tensor is held against its storage, and that against the file.</para>
/// <para>Reading is by position, so that several threads may read at once.</para>
/// </remarks>
public sealed class PyTorchFile : IDisposable
{
    private const int DeepestNesting = 64;

    private readonly string file;
    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle handle;
    private readonly ContainerBytes bytes;
    private readonly PyTorchContainer content;
    private readonly OrderedDictionary<string, PyTorchEntry> entries = [];
    private readonly Dictionary<string, PickledTensor> tensors = [];

    private PyTorchFile(string file, Microsoft.Win32.SafeHandles.SafeFileHandle handle)
    {
        (this.file, this.handle) = (file, handle);
        bytes = new ContainerBytes(handle);
        content = PyTorchContainer.Read(bytes);
        List(content.Root, [], new HashSet<object>(ReferenceEqualityComparer.Instance));
    }

    /// <summary>
    /// The tensors by name, in the file's order. A tensor's name is the way to it through dictionaries and lists, with points between:
    /// <c>model.blocks.0.norm1.weight</c>. A dictionary that can be reached in two ways is listed by the first.
    /// </summary>
    public IReadOnlyDictionary<string, PyTorchEntry> Entries => entries;

    /// <summary>What was saved, as plain objects.</summary>
    internal object? Root => content.Root;

    /// <summary>The model's description, where Tessera wrote the file.</summary>
    internal string? Description => content.Description;

    /// <summary>Bytes of all storages that tensors look into.</summary>
    internal long StoredBytes => content.Storages.Values.Sum(s => s.Length);

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <exception cref="PyTorchFileException">The file is missing, damaged, no file of PyTorch's, or asks for more than tensors and plain containers.</exception>
    public static PyTorchFile Open(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        Microsoft.Win32.SafeHandles.SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(file, options: FileOptions.RandomAccess);
            var opened = new PyTorchFile(file, handle);
            handle = null;
            return opened;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Wrong(file, "there is no such file", e);
        }
        catch (RefusedNameException e)
        {
            throw Wrong(file, $"{e.Message}. Save the model's state_dict() instead", e);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw Wrong(file, e.Message.TrimEnd('.'), e);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Whether a file begins as PyTorch's do.</summary>
    internal static bool IsLike(ReadOnlySpan<byte> start) => start is [(byte)'P', (byte)'K', 3 or 5, ..] or [0x80, >= 2 and <= 5, ..];

    /// <summary>Copies a tensor's elements, row-major and little-endian, whatever its strides are.</summary>
    /// <param name="name">A key of <see cref="Entries"/>.</param>
    /// <param name="destination">Exactly <see cref="PyTorchEntry.Length"/> bytes.</param>
    /// <exception cref="PyTorchFileException">No such tensor, another length, or the file became shorter meanwhile.</exception>
    public void Read(string name, Span<byte> destination)
    {
        if (!tensors.TryGetValue(name, out var tensor)) throw new PyTorchFileException($"{file} has no tensor {Quoted.Of(name)}; it has {entries.Count} others.");
        if (entries[name].Length != destination.Length)
            throw new PyTorchFileException($"{file}: tensor {Quoted.Of(name)} has {entries[name].Length} bytes, but {destination.Length} were asked for.");
        var size = tensor.Type.ElementBytes();
        var first = content.Storages[tensor.Storage.Key].Offset + tensor.Offset * size;
        try
        {
            if (tensor.IsContiguous || tensor.Count == 0) bytes.Read(first, destination);
            else Gather(tensor, bytes.Read(first, checked((int)(tensor.Span * size))), destination, size);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or OverflowException)
        {
            throw new PyTorchFileException($"{file}: tensor {Quoted.Of(name)} cannot be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    private static void Gather(PickledTensor tensor, ReadOnlySpan<byte> source, Span<byte> destination, int size)
    {
        var index = new long[tensor.Shape.Length];
        long at = 0;
        for (var done = 0; done < destination.Length; done += size)
        {
            source.Slice((int)(at * size), size).CopyTo(destination[done..]);
            for (var side = index.Length - 1; side >= 0; side--)
            {
                at += tensor.Strides[side];
                if (++index[side] < tensor.Shape[side]) break;
                at -= tensor.Strides[side] * tensor.Shape[side];
                index[side] = 0;
            }
        }
    }

    private void List(object? value, List<string> way, HashSet<object> seen)
    {
        if (value is PickledTensor tensor)
        {
            Add(way.Count == 0 ? "tensor" : string.Join('.', way), tensor);
            return;
        }
        if (value is not (PickledDictionary or List<object?> or object?[]) || !seen.Add(value)) return;
        if (way.Count == DeepestNesting) throw new InvalidDataException($"its containers lie more than {DeepestNesting} deep in each other");
        var children = value is PickledDictionary dictionary ? dictionary.Items.Select(item => (Name(item.Key), item.Value))
            : ((IReadOnlyList<object?>)value).Select((item, i) => ((string?)i.ToString(CultureInfo.InvariantCulture), item));
        foreach (var (name, child) in children)
        {
            if (name is null || child is not (PickledTensor or PickledDictionary or List<object?> or object?[])) continue;
            way.Add(name);
            List(child, way, seen);
            way.RemoveAt(way.Count - 1);
        }

        static string? Name(object? key) => key switch { string text => text, long number => number.ToString(CultureInfo.InvariantCulture), _ => null };
    }

    private void Add(string name, PickledTensor tensor)
    {
        if (!tensors.TryAdd(name, tensor)) throw new InvalidDataException($"two of its tensors are called {Quoted.Of(name)}");
        entries.Add(name, new PyTorchEntry(name, tensor.Type, tensor.Shape, tensor.Count * tensor.Type.ElementBytes()));
    }

    private static PyTorchFileException Wrong(string file, string what, Exception cause) => new($"{file} cannot be read as a PyTorch file: {what}.", cause);
}

/// <summary>A tensor of a PyTorch file, checked against the file.</summary>
/// <param name="Name">The way to it, see <see cref="PyTorchFile.Entries"/>.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sides; empty for a scalar.</param>
/// <param name="Length">Bytes of its elements, one after the other.</param>
public sealed record PyTorchEntry(string Name, SafetensorsType Type, long[] Shape, long Length);

/// <summary>A PyTorch file that cannot be read or written; the message is one sentence with the file and what is wrong.</summary>
public sealed class PyTorchFileException : IOException
{
    /// <summary>An error without words: prefer one that says what is wrong.</summary>
    public PyTorchFileException() { }

    /// <param name="message">One sentence: which file, what is wrong.</param>
    public PyTorchFileException(string message) : base(message) { }

    /// <param name="message">One sentence: which file, what is wrong.</param>
    /// <param name="innerException">What lies beneath.</param>
    public PyTorchFileException(string message, Exception? innerException) : base(message, innerException) { }
}
