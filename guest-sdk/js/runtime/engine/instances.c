/* Appended to quickjs.c, whose structures it needs.
 *
 * A snapshot is shared by all instances that start from it: each page of it that an instance writes to is copied for that
 * instance first, and an instance that answers one request spends most of its time with that. So before the snapshot
 * everything that is there is made to stay as it is, and what an instance makes gets a place of its own, in one piece. */

/* Reference counts from here on stay as they are: see js_ref_up and js_ref_down in `builder/src/edits/engine.rs`. What has one
 * half above the limit keeps away from it although a garbage collection, which takes all references within the heap off and
 * adds them again, counts as ever. */
#define WISP_IMMORTAL_COUNT (WISP_IMMORTAL + WISP_IMMORTAL / 2)

/* All that has a reference count: what is small lies in arenas, the rest is an object of the garbage collector or an atom.
 * Blocks without a count, and free ones, are marked along: nobody reads the field in them before it is set. */
static void wisp_make_immortal(JSRuntime *rt)
{
    struct list_head *el;
    int i, k;

    for (i = 0; i < JS_ARENA_BLOCK_SIZE_COUNT; i++) {
        list_for_each(el, &rt->arena_state.arena_list[i]) {
            JSArena *ar = list_entry(el, JSArena, link);
            for (k = 0; k < ar->n_blocks; k++) {
                JSMallocBlockHeader *b = arena_get_block(ar, k, arena_block_sizes[i]);
                b->ref_count = WISP_IMMORTAL_COUNT;
            }
        }
    }
    list_for_each(el, &rt->gc_obj_list) {
        JS_REF_COUNT(list_entry(el, JSGCObjectHeader, link)) = WISP_IMMORTAL_COUNT;
    }
    for (i = 0; i < rt->atom_size; i++) {
        if (!atom_is_free(rt->atom_array[i]))
            JS_REF_COUNT(rt->atom_array[i]) = WISP_IMMORTAL_COUNT;
    }
}

/* Blocks of each size that an instance may have before it needs an arena of its own. */
#define WISP_NURSERY_BLOCKS 12

/* An arena for each size, all of them side by side, from which the first blocks are taken. The first block of each is never
 * given out: an arena whose last block is freed would be given back, and these have no memory of their own to give back. */
static int wisp_make_nursery(JSRuntime *rt)
{
    size_t size = 0;
    uint8_t *at;
    int i, k;

    for (i = 0; i < JS_ARENA_BLOCK_SIZE_COUNT; i++)
        size += sizeof(JSArena) + (size_t)(WISP_NURSERY_BLOCKS + 1) * arena_block_sizes[i];
    at = rt->mf.js_malloc(rt->malloc_state.opaque, size);
    if (!at)
        return -1;
    for (i = 0; i < JS_ARENA_BLOCK_SIZE_COUNT; i++) {
        int block_size = arena_block_sizes[i];
        JSArena *ar = (JSArena *)at;
        ar->block_size_idx = i;
        ar->n_blocks = WISP_NURSERY_BLOCKS + 1;
        ar->n_used_blocks = 1;
        ar->first_free_block = 1;
        for (k = 0; k < ar->n_blocks; k++) {
            JSMallocBlockHeader *b = arena_get_block(ar, k, block_size);
            b->u.free_next = k < WISP_NURSERY_BLOCKS ? k + 1 : JS_ARENA_FREE_NIL;
            b->block_size_idx = i;
        }
        list_add(&ar->link, &rt->arena_state.arena_list[i]);
        list_add(&ar->free_link, &rt->arena_state.free_arena_list[i]);
        at += sizeof(JSArena) + (size_t)ar->n_blocks * block_size;
    }
    return 0;
}

/* Called before a snapshot is taken, after a garbage collection. Not 0: there is no memory for it. */
int wisp_settle(JSContext *ctx)
{
    JSRuntime *rt = ctx->rt;

    wisp_make_immortal(rt);
    if (wisp_make_nursery(rt))
        return -1;
    /* The list of objects ends with one that lies there too: the next one is linked to it. */
    JSValue last = JS_NewObject(ctx);
    return JS_IsException(last) ? -1 : 0;
}
